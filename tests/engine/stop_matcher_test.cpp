// Goal: no byte of a stop text is ever shown, nothing else is ever lost, whatever the pieces.
#include "engine/stop_matcher.hpp"

#include <gtest/gtest.h>

#include <random>

namespace hearth {
namespace {

// What is shown of a text that arrives in pieces of these sizes, and whether a stop was found.
std::pair<std::string, bool> show(const std::vector<std::string>& stops, const std::string& text,
                                  std::mt19937& random) {
  StopMatcher matcher(stops);
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = 1 + random() % 4;
    if (matcher.push(std::string_view(text).substr(at, size), shown)) return {shown, true};
    at += size;
  }
  matcher.finish(shown);
  return {shown, false};
}

TEST(stop_matcher, text_before_a_stop_is_shown_and_nothing_after) {
  std::mt19937 random(1);
  EXPECT_EQ(show({"STOP"}, "go on STOP here", random), std::pair(std::string("go on "), true));
  EXPECT_EQ(show({"\n\n", "###"}, "a\nb###c", random), std::pair(std::string("a\nb"), true));
  EXPECT_EQ(show({"xyz"}, "xyxyxy", random), std::pair(std::string("xyxyxy"), false));
  EXPECT_EQ(show({}, "anything", random), std::pair(std::string("anything"), false));
}

TEST(stop_matcher, holds_back_only_what_may_become_a_stop) {
  StopMatcher matcher({"abc"});
  std::string shown;
  EXPECT_FALSE(matcher.push("xab", shown));
  EXPECT_EQ(shown, "x");
  EXPECT_FALSE(matcher.push("x", shown));
  EXPECT_EQ(shown, "xabx");
}

// The oracle is a search of the whole text.
TEST(stop_matcher, random_texts_in_random_pieces_agree_with_a_search) {
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (int n = static_cast<int>(random() % 20); n > 0; --n)
      text += static_cast<char>('a' + random() % 3);
    std::vector<std::string> stops;
    for (int n = static_cast<int>(random() % 3); n >= 0; --n) {
      std::string stop;
      for (int m = static_cast<int>(random() % 4); m >= 0; --m)
        stop += static_cast<char>('a' + random() % 3);
      stops.push_back(stop);
    }
    const auto [shown, stopped] = show(stops, text, random);
    // The stop that completes first decides: the one with the smallest end; shown is what lies
    // before the earliest begin known by then.
    std::size_t end = std::string::npos;
    for (const std::string& stop : stops) {
      if (const std::size_t at = text.find(stop); at != std::string::npos)
        end = std::min(end, at + stop.size());
    }
    EXPECT_EQ(stopped, end != std::string::npos) << text;
    if (!stopped) {
      EXPECT_EQ(shown, text);
    } else {
      EXPECT_EQ(text.substr(0, shown.size()), shown);
      for (const std::string& stop : stops) EXPECT_EQ(shown.find(stop), std::string::npos) << text;
      EXPECT_LT(shown.size(), end);
    }
  }
}

}  // namespace
}  // namespace hearth
