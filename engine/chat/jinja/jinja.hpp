// Chat templates: Jinja as models' templates use it, compiled once, rendered for every request.
//
//   compile(source)            text to a Template: immutable, rendered by any number of threads
//   render(template, context)  the prompt, and which of its bytes came from the request
//
// docs/templates.md says what is supported and how it differs from Jinja2, whose flags trim_blocks
// and lstrip_blocks hold.  Templates and values may be hostile: whatever they do ends in a prompt,
// or in an Error that names line and column.
//
// THREAD: any.
#pragma once

#include <ctime>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "engine/chat/jinja/input.hpp"
#include "engine/chat/jinja/limits.hpp"

namespace hearth::jinja {

// Bytes [begin, end) of a prompt that have one origin.
struct Span {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool input = false;         // from a value that is not trusted, else from the template
  std::int32_t message = -1;  // the index in "messages" of what it came from; -1: of none
};

// Bytes [begin, end) that a loop over the messages wrote for one of them, with what the template
// puts around it.  In the order of the prompt; a message may have none, or several.
struct Turn {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::int32_t message = 0;
};

struct Rendered {
  std::string text;
  std::vector<Span> spans;  // cover the text, none is empty, neighbours differ
  std::vector<Turn> turns;
};

struct RenderOptions {
  // Variables of the context that the caller vouches for: what they hold counts as the template's.
  std::vector<std::string_view> trusted = {"bos_token", "eos_token"};
  std::tm now = {};  // what strftime_now() shows; tm_year and so on, as of localtime_r()
  Limits limits;     // its limits of compile() do not matter here
};

class Template {
 public:
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

 private:
  struct Compiled;
  explicit Template(std::unique_ptr<const Compiled> compiled);
  friend Result<Template> compile(std::string_view source, const Limits& limits);
  friend Result<Rendered> render(const Template& compiled, const InputDict& context,
                                 const RenderOptions& options);
  std::unique_ptr<const Compiled> compiled_;
};

// Errors: INVALID with line and column for what is no template or uses what is not supported;
// LIMIT for one that is too long or nested too deeply.
Result<Template> compile(std::string_view source, const Limits& limits = {});

// context: the variables; "messages", a list, is what Span::message and Turn::message refer to.
// Errors: INVALID with line and column, also for what the template raises; LIMIT where it uses too
// much; INVALID naming the variable whose text is not UTF-8.
Result<Rendered> render(const Template& compiled, const InputDict& context,
                        const RenderOptions& options = {});

}  // namespace hearth::jinja
