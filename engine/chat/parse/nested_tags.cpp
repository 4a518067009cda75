// Values made of more tags (Dialect::nested_tags): <a><b>1</b></a> is {"b": 1}, and
// <a><item>1</item><item>2</item></a> is [1, 2].  What holds no tag is JSON where it reads as JSON,
// else a string: what a schema says of what is inside a value is not known here.
#include "engine/chat/parse/output_parser.hpp"

namespace hearth::chat {
namespace {

constexpr std::size_t kDepthMax = ValueReader::kDepthMax;

}  // namespace

// Whether a tag that opens stands at `at`; white space before it is none of a value.
OutputParser::Match OutputParser::opens_tag(std::size_t at) const {
  const std::string_view open = dialect_.key_open;
  const std::string_view rest = rest_from(at).substr(0, kNameMax);
  const std::size_t begin = rest.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) {
    return rest.size() < kNameMax && !ended_ ? Match::wait : Match::missing;
  }
  const std::string_view tag = rest.substr(begin);
  if (tag.size() <= open.size()) {
    return open.starts_with(tag) && !ended_ ? Match::wait : Match::missing;
  }
  return tag.starts_with(open) && tag[open.size()] != '/' ? Match::matched : Match::missing;
}

// In a value that holds tags: the next one, or the one that ends it.
bool OutputParser::read_nested() {
  if (!skip_space()) return false;
  const Match open = match(dialect_.key_open);
  if (open == Match::wait) return false;
  const std::size_t begin = at_ + dialect_.key_open.size();
  const std::string_view rest =
      open == Match::matched ? rest_from(begin).substr(0, kNameMax + 1) : std::string_view();
  const std::size_t size = rest.find('>');
  if (open == Match::missing || (size == std::string_view::npos && rest.size() > kNameMax)) {
    fail("a tag was expected");
    return true;
  }
  if (size == std::string_view::npos) return false;
  const std::string name(rest.substr(0, size));
  if (!name.starts_with('/')) {
    held_ = at_;
    at_ = begin + size + 1;
    key_ = name;
    state_ = State::nested_value;
    return true;
  }
  if (name.substr(1) != nests_.back().tag) {
    fail("a tag ends that did not begin");
    return true;
  }
  at_ = begin + size + 1;
  write_arguments(nests_.back().array ? "]" : "}");
  nests_.pop_back();
  state_ = nests_.empty() ? State::tag_parameters : State::nested;
  return true;
}

// Behind the tag key_: more tags, or text.
bool OutputParser::read_nested_value() {
  const Match tag = opens_tag(at_);
  if (tag == Match::wait) return false;
  if (tag == Match::matched && nests_.size() == kDepthMax) {
    fail("tags are nested too deep");
    return true;
  }
  Nest& nest = nests_.back();
  if (nest.first) nest.array = key_ == "item";
  std::string json = !nest.first ? ", " : nest.array ? "[" : "{";
  if (!nest.array) {
    json += '"';
    append_escaped(key_, json);
    json += "\": ";
  }
  nest.first = false;
  write_arguments(json);
  if (tag == Match::matched) {
    held_ = kNothing;
    nests_.push_back({key_});
    state_ = State::nested;
    return true;
  }
  value_markers_ = {};
  value_markers_.add(value_close(), 0);
  scratch_.clear();
  word_ = true;
  state_ = State::tag_typed;
  return true;
}

}  // namespace hearth::chat
