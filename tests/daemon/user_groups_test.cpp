// Goal: a user has a namespace of their own or that of one group; whoever configures it wrongly is
// told which field is wrong, and where.
#include "daemon/user_groups.hpp"

#include <gtest/gtest.h>
#include <pwd.h>

#include <fstream>
#include <set>

#include "daemon/config.hpp"
#include "tests/temporary_directory.hpp"

namespace hearth {
namespace {

// The configuration that a file with this text gives.
Result<Config> config_of(const std::string& text) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/hearthd.toml";
  std::ofstream(path) << text;
  HEARTH_TRY(const RawSettings settings, settings_from_file(path));
  return make_config({settings});
}

TEST(user_groups, members_share_a_namespace_that_is_no_users) {
  UserGroups groups;
  ASSERT_TRUE(groups.add("research=1000,1001"));
  ASSERT_TRUE(groups.add("sales=4294967294"));
  const auto research = groups.namespace_of(1000);
  EXPECT_EQ(groups.namespace_of(1001), research);
  EXPECT_NE(groups.namespace_of(4294967294), research);
  EXPECT_EQ(groups.namespace_of(1002), 1002u);
  EXPECT_EQ(groups.namespace_of(0), 0u);
  EXPECT_FALSE(UserGroups::is_uid(research));
  EXPECT_TRUE(UserGroups::is_uid(4294967295));
  EXPECT_EQ(*groups.group_name(research), "research");
  EXPECT_EQ(groups.group_name(group_namespace("former")), nullptr);
  EXPECT_EQ(groups.group_name(1000), nullptr);
}

// Pages that were kept would be lost, or worse, be another group's: the numbers are for ever.
TEST(user_groups, the_namespace_of_a_name_never_changes) {
  EXPECT_EQ(group_namespace("research"), 0x9985ba6ed6c31b3eu);
  std::set<cache::NamespaceId> ids;
  for (int i = 0; i < 10000; ++i) {
    const auto id = group_namespace("group" + std::to_string(i));
    EXPECT_EQ(id >> 62, 2u) << "neither a uid nor kUnknownNamespace";
    EXPECT_TRUE(ids.insert(id).second);
  }
}

TEST(user_groups, users_have_names_or_numbers) {
  const passwd* root = getpwuid(0);
  ASSERT_NE(root, nullptr);
  const auto config =
      config_of(std::string("[[group]]\nname = \"research\"\nusers = [\"") + root->pw_name +
                "\", 1001, \"1002\"]\n[[group]]\nname = \"b\"\nusers = [1003]\n");
  ASSERT_TRUE(config) << config.error().message;
  const auto research = group_namespace("research");
  for (const uid_t uid : {0u, 1001u, 1002u}) {
    EXPECT_EQ(config->groups.namespace_of(uid), research) << uid;
  }
  EXPECT_EQ(config->groups.namespace_of(1003), group_namespace("b"));
}

TEST(user_groups, whatever_is_wrong_is_named_with_field_and_line) {
  struct Case {
    const char* text;
    const char* expected[2];
  };
  const Case cases[] = {
      {"[[group]]\nusers = [1]", {"line 1", "group.name is missing"}},
      {"[[group]]\nname = 7\nusers = [1]", {"line 1", "group.name is missing, or no text"}},
      {"ctx = 5\n[[group]]\nname = \"a\"", {"line 2", "group.users is missing"}},
      {"[[group]]\nname = \"a\"\nusers = []", {"line 1", "group.users is missing, or no list"}},
      {"[[group]]\nname = \"a\"\nusers = \"bob\"",
       {"line 1", "group.users is missing, or no list"}},
      {"[[group]]\nname = \"a\"\nusers = [1.5]", {"line 1", "group.users has a user that is neit"}},
      {"[[group]]\nname = \"a\"\nusers = [\"b,c\"]", {"line 1", "group.users has a user with a"}},
      {"[[group]]\nname = \"a=b\"\nusers = [1]", {"line 1", "group.name has a \"=\""}},
      {"[[group]]\nname = \"a\"\nuser = [1]\nusers = [1]", {"line 1", "group.user is unknown"}},
      {"[group]\nname = \"a\"\nusers = [1]", {"line 1", "group is not a list of [[group]]"}},
      {"group = \"a=1\"", {"line 1", "group is not a list of [[group]]"}},
      {"group = [1]", {"line 1", "group is not a list of [[group]]"}},
      {"[[group]]\nname = \"\"\nusers = [1]", {"line 1", "has a wrong name"}},
      {"[[group]]\nname = \"a b\"\nusers = [1]", {"line 1", "has a wrong name"}},
      {"[[group]]\nname = \"a\"\nusers = [1]\n[[group]]\nname = \"a\"\nusers = [2]",
       {"line 4", "has a wrong name: there is a group \"a\" already"}},
      {"[[group]]\nname = \"a\"\nusers = [1]\n[[group]]\nname = \"b\"\nusers = [2, 1]",
       {"line 4", "has wrong users: 1 (uid 1) is in group \"a\" too"}},
      {"[[group]]\nname = \"a\"\nusers = [1, \"1\"]",
       {"line 1", "has wrong users: 1 (uid 1) is listed twice"}},
      {"[[group]]\nname = \"a\"\nusers = [\"no-such-user-here\"]",
       {"line 1", "has wrong users: this system has no user \"no-such-user-here\""}},
      {"[[group]]\nname = \"a\"\nusers = [\"\"]", {"line 1", "has wrong users: one has no name"}},
      {"[[group]]\nname = \"a\"\nusers = [\"\", 1]", {"line 1", "one has no name"}},
      {"[[group]]\nname = \"a\"\nusers = [-5]", {"line 1", "this system has no user \"-5\""}},
      {"[[group]]\nname = \"a\"\nusers = [4294967295]", {"line 1", "4294967295 is no uid"}},
      {"[[group]]\nname = \"a\"\nusers = [99999999999999]", {"line 1", "is no uid"}},
  };
  for (const Case& one : cases) {
    const auto config = config_of(one.text);
    ASSERT_FALSE(config) << one.text;
    EXPECT_EQ(config.error().code, Code::CONFIG);
    for (const char* expected : one.expected) {
      EXPECT_NE(config.error().message.find(expected), std::string::npos)
          << one.text << ": " << config.error().message;
    }
  }
}

TEST(user_groups, the_command_line_says_the_same_and_wins) {
  RawSettings line;
  line["group"] = {{"a=1,2", "--group"}, {"b=3", "--group"}};
  RawSettings file;
  file["group"] = {{"c=4", "file"}};
  const auto config = make_config({line, file});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->groups.namespace_of(2), group_namespace("a"));
  EXPECT_EQ(config->groups.namespace_of(3), group_namespace("b"));
  EXPECT_EQ(config->groups.namespace_of(4), 4u);
  for (const char* bad : {"a", "=1", "a=", "a=1,", "a=,1", "a=1,,2", "a=b=c"}) {
    RawSettings wrong;
    wrong["group"] = {{bad, "--group"}};
    const auto refused = make_config({wrong});
    ASSERT_FALSE(refused) << bad;
    EXPECT_NE(refused.error().message.find("--group"), std::string::npos);
  }
}

}  // namespace
}  // namespace hearth
