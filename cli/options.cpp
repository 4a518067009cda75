#include "cli/options.hpp"

#include <CLI/CLI.hpp>
#include <limits>

namespace hearth::cli {
namespace {

constexpr std::int32_t kInt32Max = std::numeric_limits<std::int32_t>::max();

constexpr const char* kExamples = R"(Examples:
  hearth run ember "Once upon a time" --raw -n 100
  hearth run ember "What is the opposite of big?" --temp 0 --json
  hearth models
  hearth tokenize ember "Once upon a time" --json
  hearth eval ember --tokens-file ids.txt --logits-out logits.f32

The daemon is found at --socket, else $HEARTH_SOCKET, else
$XDG_RUNTIME_DIR/hearth/hearthd.sock, else /run/hearth/hearthd.sock.
Exit status: 0 success, 1 failure, 2 wrong usage, 130 interrupted.)";

CLI::App* add_command(CLI::App& app, Options& options, Command command, const char* name,
                      const char* help) {
  CLI::App* sub = app.add_subcommand(name, help);
  sub->fallthrough();  // --socket and --json also after the command
  sub->callback([&options, command] { options.command = command; });
  return sub;
}

void add_model(CLI::App* sub, Options& options) {
  sub->add_option("MODEL", options.model, "id of a model: see hearth models")->required();
}

CLI::Option_group* add_token_input(CLI::App* sub, Options& options) {
  CLI::Option_group* group = sub->add_option_group("input");
  group->add_option("--tokens", options.input.tokens, "token ids, used as given: 1,2,3");
  group->add_option("--tokens-file", options.input.tokens_file,
                    "file of token ids, separated by commas or white space");
  return group;
}

void add_run(CLI::App& app, Options& options) {
  CLI::App* sub = add_command(app, options, Command::run, "run", "generate text");
  add_model(sub, options);
  CLI::Option_group* input = add_token_input(sub, options);
  input->add_option("PROMPT", options.input.text, "text to go on from; - reads standard input");
  input->require_option(1);
  sub->add_option("-n,--max-tokens", options.max_tokens, "tokens to generate at most [256]")
      ->check(CLI::Range(1, kInt32Max));
  sub->add_option("--temp", options.temperature, "temperature; 0: greedy [0.7]")
      ->check(CLI::Range(0.0, 100.0));
  sub->add_option("--top-k", options.top_k, "draw from the K likeliest; 0: off [0]")
      ->check(CLI::Range(0, kInt32Max));
  sub->add_option("--top-p", options.top_p, "draw from this share of likelihood; 1: off [0.9]")
      ->check(CLI::Range(0.0, 1.0));
  sub->add_option("--seed", options.seed, "of the random draws [a random one]")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{4294967295}));
  sub->add_option("--stop", options.stop, "text that ends generation; may be given 16 times")
      ->allow_extra_args(false)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  sub->add_flag("--ignore-eos", options.ignore_eos, "go on after the model has ended its text");
  sub->add_flag("--raw", options.raw,
                "the prompt as it is: no chat template; names of special tokens are those tokens");
}

void add_status(CLI::App& app, Options& options) {
  add_command(app, options, Command::models, "models", "list the models");
  add_command(app, options, Command::ps, "ps", "what the daemon is doing; fails when it is away");
  add_command(app, options, Command::stats, "stats", "counters since the daemon started");
}

void add_tokens(CLI::App& app, Options& options) {
  CLI::App* tokenize =
      add_command(app, options, Command::tokenize, "tokenize", "text to token ids");
  add_model(tokenize, options);
  CLI::Option_group* text = tokenize->add_option_group("input");
  text->add_option("TEXT", options.input.text, "the text; - reads standard input");
  text->add_option("--file", options.input.file, "read the text from a file, byte for byte");
  text->require_option(1);
  tokenize->add_flag("--no-special", options.no_special, "add no BOS and no EOS");
  tokenize->add_flag("--special", options.special, "names of special tokens are those tokens");

  CLI::App* detokenize =
      add_command(app, options, Command::detokenize, "detokenize", "token ids to text");
  add_model(detokenize, options);
  CLI::Option_group* ids = add_token_input(detokenize, options);
  ids->add_option("IDS", options.ids, "the ids");
  ids->require_option(1);
  detokenize->add_flag("--special", options.special, "spell special tokens out");
}

void add_eval(CLI::App& app, Options& options) {
  CLI::App* sub = add_command(app, options, Command::eval, "eval",
                              "how likely the model finds a sequence of tokens");
  add_model(sub, options);
  add_token_input(sub, options)->require_option(1);
  sub->add_option("--logits-out", options.logits_out,
                  "write the logits: float32, little-endian, [n_tokens, n_vocab]");
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& ret_exit_code) {
  CLI::App app("hearth asks hearthd, the daemon that keeps language models warm.", "hearth");
  app.footer(kExamples);
  app.set_version_flag("--version", "hearth " HEARTH_VERSION_STRING);
  app.require_subcommand(1);
  Options options;
  app.add_option("--socket", options.socket, "the daemon's socket");
  app.add_flag("--json", options.json, "one JSON document on standard output");
  add_run(app, options);
  add_status(app, options);
  add_tokens(app, options);
  add_eval(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    ret_exit_code = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  return options;
}

}  // namespace hearth::cli
