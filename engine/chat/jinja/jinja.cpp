// The doors: compile() and render().
#include "engine/chat/jinja/jinja.hpp"

#include <algorithm>

#include "engine/chat/jinja/import.hpp"
#include "engine/chat/jinja/interpreter.hpp"
#include "engine/chat/jinja/parser.hpp"
#include "engine/chat/jinja/unicode_text.hpp"

namespace hearth::jinja {

// Nodes are some hundred bytes a token; real templates take about 1 MiB.
constexpr std::uint64_t kTemplateBytesMax = 256ull << 20;

struct Template::Compiled {
  std::string source;  // texts of the nodes lie here
  Heap heap{kTemplateBytesMax};
  Program program;
};

Template::Template(std::unique_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

namespace {

// A value for each global of the program: of the context, else a function, else none.
std::span<const Value> make_globals(Run& run, const Program& program, const InputDict& context,
                                    const RenderOptions& options) {
  Value* globals = run.heap.array<Value>(program.globals.size());
  for (std::size_t i = 0; i < program.globals.size(); ++i) {
    const std::string_view name = program.globals[i]->view();
    globals[i] = Value{};
    run.charge(1 + context.size());
    const auto given = std::find_if(context.rbegin(), context.rend(),
                                    [&](const auto& entry) { return entry.first == name; });
    if (given == context.rend()) {
      if (const Builtin* function = find_function(name)) globals[i] = Value::of(function);
      continue;
    }
    try {
      const bool trusted = std::ranges::find(options.trusted, name) != options.trusted.end();
      globals[i] = name == "messages"
                       ? import_messages(run, given->second)
                       : import(run, given->second, Origin{!trusted, kNoMessage}, /*copy=*/false);
    } catch (Failure& failure) {
      failure.message = fmt::format("'{}': {}", name, failure.message);
      throw;
    }
  }
  return {globals, program.globals.size()};
}

// The marks, and the template's own stretches between them.
std::vector<Span> spans_of(const std::vector<Mark>& marks, std::size_t size) {
  std::vector<Span> spans;
  std::uint32_t at = 0;
  for (const Mark& mark : marks) {
    if (mark.begin > at) spans.push_back({at, mark.begin});
    spans.push_back({mark.begin, mark.end, true, mark.message});
    at = mark.end;
  }
  if (at < size) spans.push_back({at, static_cast<std::uint32_t>(size)});
  return spans;
}

}  // namespace

Result<Template> compile(std::string_view source, const Limits& limits) {
  try {
    if (source.size() > limits.source_bytes) {
      fail_limit(fmt::format("the template is longer than {} bytes", limits.source_bytes));
    }
    if (const std::size_t valid = utf8_valid_bytes(source); valid != source.size()) {
      fail(fmt::format("the template is not UTF-8 at byte {}", valid));
    }
    auto compiled = std::make_unique<Template::Compiled>();
    compiled->source = normalize_source(source);
    const std::vector<Token> tokens = read_tokens(compiled->source);
    compiled->program = Parser(compiled->heap, tokens, limits).parse();
    return Template(std::move(compiled));
  } catch (const Failure& failure) {
    return to_error(failure, {});
  }
}

Result<Rendered> render(const Template& compiled, const InputDict& context,
                        const RenderOptions& options) {
  const Program& program = compiled.compiled_->program;
  Run run(options.limits, options.now);
  TextBuilder out(run.heap, options.limits.output_bytes, "the prompt");
  try {
    const std::span<const Value> globals = make_globals(run, program, context, options);
    Interpreter interpreter(run, program, globals, out);
    interpreter.render();
    Rendered rendered;
    rendered.spans = spans_of(out.marks(), out.size());
    rendered.turns = interpreter.take_turns();
    rendered.text = out.take_bytes();
    return rendered;
  } catch (const Failure& failure) {
    return to_error(failure, run.here);
  }
}

}  // namespace hearth::jinja
