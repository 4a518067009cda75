// Calls as a name and one value: CallStyle::named.
#include "engine/chat/parse/output_parser.hpp"

namespace hearth::chat {
namespace {

// "functions.NAME:INDEX" to "NAME".
std::string_view name_in_id(std::string_view id) {
  constexpr std::string_view kPrefix = "functions.";
  if (id.starts_with(kPrefix) && id.size() > kPrefix.size()) id.remove_prefix(kPrefix.size());
  const std::size_t colon = id.rfind(':');
  const bool indexed = colon != std::string_view::npos && colon + 1 < id.size() &&
                       id.find_first_not_of("0123456789", colon + 1) == std::string_view::npos;
  return indexed && colon > 0 ? id.substr(0, colon) : id;
}

}  // namespace

// The name up to the text that ends it, and an id between the two where the dialect has one there.
// Nothing is taken before all of it is there.
bool OutputParser::read_name() {
  if (!skip_space()) return false;
  const std::size_t begin = at_;
  std::string name;
  std::string id;
  Match found = Match::missing;
  const auto word = [&](std::string& out) {
    std::size_t size = 0;
    found = identifier(size);
    if (found != Match::matched) return false;
    out.assign(buffer_, at_, size);
    at_ += size;
    return true;
  };
  const auto behind = [&](std::string_view text) {
    found = match(text);
    if (found == Match::matched) at_ += text.size();
    return found;
  };
  if (word(name)) {
    if (behind(dialect_.id_end) != Match::missing) {
      if (found == Match::matched && word(id)) behind(dialect_.name_end);
    } else if (dialect_.name_end.empty()) {
      found = at_ < buffer_.size() ? Match::matched : Match::wait;
    } else {
      behind(dialect_.name_end);
    }
  }
  if (found == Match::wait) {
    at_ = begin;
    return false;
  }
  if (found == Match::missing) {
    at_ = begin;
    fail("what began as a call has no name");
    return true;
  }
  call_.name = dialect_.id_is_name ? name_in_id(name) : name;
  call_.id = dialect_.id_is_name ? name : id;
  state_ = State::arguments_begin;
  return true;
}

bool OutputParser::read_arguments_begin() {
  if (!skip_space()) return false;
  if (buffer_[at_] != '{') {
    fail("what began as a call has no arguments");
    return true;
  }
  announce();
  value_.start(dialect_.gemma_values ? ValueReader::Notation::gemma : ValueReader::Notation::json);
  state_ = State::arguments;
  return true;
}

}  // namespace hearth::chat
