// See options.hpp.  Numbers are read here and not by CLI11, which takes "0x10", "010" and "nan".
#include "cli/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>

#include "cli/table.hpp"
#include "common/duration.hpp"
#include "common/limits.h"
#include "files/quantize_mix.hpp"

namespace hearth::cli {
namespace {

constexpr std::int32_t kInt32Max = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kUint32Max = std::numeric_limits<std::uint32_t>::max();

constexpr const char* kAbout = R"(
The daemon is found at --socket, else $HEARTH_SOCKET, else
$XDG_RUNTIME_DIR/hearth/hearthd.sock, else /run/hearth/hearthd.sock.

Exit status: 0 success, 1 failure, 2 wrong usage, 130 interrupted.
Examples: hearth COMMAND --help.  All of it: man hearth.)";

constexpr const char* kRunExamples = R"(
The text goes to standard output as it comes, the numbers to standard error.

  hearth run stories "Once upon a time" --raw -n 200 --temp 0
  hearth run stories - --raw --stop "The end" <story.txt
  hearth run llama --tokens 1,2,3 -n 20 --json)";

constexpr const char* kChatExamples = R"(
  hearth chat qwen
  hearth chat qwen --system "Be brief." --temp 0
  echo "Why is the sky blue?" | hearth chat qwen

/help in the chat tells what else can be done there.)";

constexpr const char* kRenderExamples = R"(
  hearth render qwen --messages messages.json
  echo '[{"role":"user","content":"Hello"}]' | hearth render qwen --messages - --json)";

constexpr const char* kTokenizeExamples = R"(
  hearth tokenize stories "Once upon a time"
  hearth tokenize stories --file story.txt --no-special --json
  hearth tokenize stories - <story.txt >ids.txt)";

constexpr const char* kDetokenizeExamples = R"(
  hearth detokenize stories 403 407 261 378
  hearth detokenize stories --tokens-file ids.txt --special)";

constexpr const char* kEvalExamples = R"(
  hearth eval stories --tokens 1,403,407,261,378
  hearth tokenize stories --file story.txt | hearth eval stories --tokens-file -
  hearth eval stories --tokens-file ids.txt --logits-out logits.f32 --json)";

constexpr const char* kEmbedExamples = R"(
  hearth embed stories "A little girl went to the forest."
  hearth embed stories --file story.txt --pooling last --json | jq .embedding)";

constexpr const char* kSessionsExamples = R"(
  hearth sessions new stories fox
  hearth run stories "The fox" --raw --session fox
  hearth run stories " and then" --raw --session fox
  hearth sessions fork fox fox2
  hearth sessions rollback fox2 10
  hearth sessions export fox fox.hearth
  hearth sessions import stories fox.hearth fox3

A session outlives its client and the daemon.  Without a command: list them.)";

constexpr const char* kInfoExamples = R"(
  hearth info model.gguf
  hearth info model.gguf --ctx 32768 --json | jq .memory)";

constexpr const char* kLsExamples = R"(
The texts used last come first; sizes are of whole pages, OWN is what no other text shares.

  hearth cache ls stories
  hearth cache ls stories --prefix "Once upon" --limit 5
  hearth cache ls stories --json | jq '.prefixes[] | {tokens, own_bytes}')";

constexpr const char* kEvictExamples = R"(
The longest unused goes first, and pages in use stay.  The memory stays the model's, for its next
pages; another user gets it zeroed.

  hearth cache evict stories
  hearth cache evict stories --max-bytes 512M
  hearth cache evict stories --prefix "Once upon")";

constexpr const char* kPullExamples = R"(
  hearth pull OWNER/REPO:model-q4_k_m.gguf
  hearth pull https://example.org/models/model.gguf --out /srv/models

Models go to ~/.local/share/hearth/models.  A token for gated models is taken from HEARTH_HUB_TOKEN,
HF_TOKEN or --token-file, and sent to the hub alone.)";

constexpr const char* kQuantizeExamples = R"(
  hearth quantize model-f16.gguf model-q4.gguf Q4_K_M
)";

[[noreturn]] void refuse(const std::string& option, const std::string& why) {
  throw CLI::ValidationError(option, why);
}

// An option whose value is a number from min to max.
template <class T>
void add_number(CLI::App* sub, const std::string& names, T& field, T min, T max,
                const std::string& help) {
  const std::string name = names.substr(0, names.find(','));
  const auto read = [&field, min, max, name](const std::string& text) {
    T value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    // Written so that a NaN fails.
    if (error != std::errc() || stop != text.data() + text.size() || !(value >= min) ||
        !(value <= max)) {
      refuse(name, fmt::format("\"{}\" is not a {} from {} to {}", text,
                               std::is_integral_v<T> ? "whole number" : "number", min, max));
    }
    field = value;
  };
  sub->add_option_function<std::string>(names, read, help)->type_name("");
}

// An option or argument that may be given once and may be empty.
CLI::Option* add_text(CLI::App* sub, const std::string& name, std::optional<std::string>& field,
                      const std::string& help) {
  return sub
      ->add_option_function<std::string>(
          name, [&field](const std::string& text) { field = text; }, help)
      ->type_name("");
}

CLI::App* add_command(CLI::App& app, Options& options, Command command, const char* name,
                      const char* help) {
  CLI::App* sub = app.add_subcommand(name, help);
  sub->fallthrough();  // --socket and --json also after the command
  sub->callback([&options, command] { options.command = command; });
  return sub;
}

void add_model(CLI::App* sub, Options& options) {
  sub->add_option("MODEL", options.model, "id of a model: see hearth models")
      ->required()
      ->type_name("");
}

void add_tokens(CLI::App* sub, Options& options) {
  add_text(sub, "--tokens", options.input.tokens, "token ids, used as given: 1,2,3");
  add_text(sub, "--tokens-file", options.input.tokens_file,
           "file of token ids, separated by commas or white space; - reads standard input");
}

// "--min-p" for min_p.
std::string flag_of(std::string name) {
  std::ranges::replace(name, '_', '-');
  return "--" + name;
}

// How to generate: run and chat.
void add_sampling(CLI::App* sub, Options& options) {
  add_number(sub, "-n,--max-tokens", options.max_tokens, 1, kInt32Max,
             "tokens to generate at most [256]");
  add_number(sub, "--temp,--temperature", options.temperature, 0.0F, 100.0F,
             "temperature; 0: greedy [0.7]");
  add_number(sub, "--top-k", options.top_k, 0, kInt32Max,
             "draw from the K likeliest tokens; 0: off [0]");
  add_number(sub, "--top-p", options.top_p, 0.0F, 1.0F,
             "draw from the likeliest tokens of this share; 1: off [0.9]");
  add_number(sub, "--seed", options.seed, std::int64_t{0}, kUint32Max,
             "seed of the random draws [a random one, told by --json]");
#define HEARTH_FLAG_(type, name, low, high, fallback, help)                            \
  add_number(sub, flag_of(#name), options.name, static_cast<hearth_field_##type>(low), \
             static_cast<hearth_field_##type>(high),                                   \
             std::string(help) + fmt::format(" [{}]", fallback));
  HEARTH_SAMPLING_FIELDS(HEARTH_FLAG_)
#undef HEARTH_FLAG_
#define HEARTH_FLAG_(name, field, low, high, help)                       \
  add_number(sub, flag_of(#name), options.name, std::int32_t{low}, high, \
             std::string(help) + " [as the model is configured]");
  HEARTH_CHECKPOINT_FIELDS(HEARTH_FLAG_)
#undef HEARTH_FLAG_
  sub->add_option("--logit-bias", options.logit_bias,
                  "ID=NUMBER: add to the logit of a token; ID=off: rule it out; may be repeated")
      ->type_name("")
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false);
  add_text(sub, "--samplers", options.samplers,
           "the samplers that run, in this order, separated by commas [penalties,dry,top_n_sigma,"
           "top_k,typical_p,top_p,min_p,xtc,temperature]");
  sub->add_option("--stop", options.stop, "text that ends generation; may be given 16 times")
      ->type_name("")
      ->take_all()
      ->expected(1)
      ->allow_extra_args(false);
  sub->add_flag("--ignore-eos", options.ignore_eos, "go on after the model has ended its text");
}

void add_run(CLI::App& app, Options& options) {
  CLI::App* sub = add_command(app, options, Command::run, "run", "generate text");
  sub->footer(kRunExamples);
  add_model(sub, options);
  add_text(sub, "PROMPT", options.input.text, "text to go on from; - reads standard input");
  add_tokens(sub, options);
  add_sampling(sub, options);
  add_number(sub, "--n-probs", options.n_probs, 0, 128,
             "with --json: tell how likely so many of the likeliest tokens were [0]");
  sub->add_option("--session", options.session,
                  "go on where this session ends, and extend it: see hearth sessions")
      ->check([](const std::string& name) { return name.empty() ? "it is empty" : ""; })
      ->type_name("");
  sub->add_flag("--raw", options.raw,
                "the prompt as it is: no chat template; names of special tokens are those tokens");
}

void add_reasoning(CLI::App* sub, Options& options) {
  sub->add_option("--reasoning", options.reasoning,
                  "on, off, or an effort that the model knows: low, medium, high [its own choice]")
      ->type_name("");
}

void add_chat(CLI::App& app, Options& options) {
  CLI::App* sub = add_command(app, options, Command::chat, "chat", "talk with a model");
  sub->footer(kChatExamples);
  add_model(sub, options);
  sub->add_option("--system", options.system, "what the model is told first")->type_name("");
  sub->add_flag_callback(
      "--no-history", [&options] { options.keeps_history = false; },
      "keep nothing that is typed: $XDG_STATE_HOME/hearth/chat_history is left alone");
  add_reasoning(sub, options);
  add_sampling(sub, options);
  sub = add_command(app, options, Command::render, "render",
                    "the prompt that a model's template makes of messages");
  sub->footer(kRenderExamples);
  add_model(sub, options);
  sub->add_option("--messages", options.messages_file,
                  "file of the messages, a JSON list; - reads standard input")
      ->required()
      ->type_name("");
  sub->add_option("--tools", options.tools_file, "file of the tools, a JSON list")->type_name("");
  sub->add_option("--arguments", options.template_arguments,
                  "variables for the template, a JSON object")
      ->type_name("");
  add_reasoning(sub, options);
}

void add_card(CLI::App& app, Options& options) {
  CLI::App* card = app.add_subcommand("card", "model cards");
  card->fallthrough();  // --json also after the command
  card->require_subcommand(1);
  CLI::App* sub = card->add_subcommand("check", "whether a card can be used, and what it does");
  sub->footer("\n  hearth card check gemma.card.json");
  sub->add_option("FILE", options.in_file, "the card, JSON")->required()->type_name("");
  sub->fallthrough();
  sub->callback([&options] { options.command = Command::card; });
}

void add_status(CLI::App& app, Options& options) {
  add_command(app, options, Command::models, "models", "list the models")
      ->footer("\n  hearth models --json | jq -r '.models[].id'");
  add_command(app, options, Command::ps, "ps", "what the daemon is doing; fails when it is away")
      ->footer("\n  hearth ps >/dev/null 2>&1 || echo \"hearthd is not running\"");
  add_command(app, options, Command::stats, "stats", "counters since the daemon started")
      ->footer("\n  hearth stats --json | jq '.models[] | {id, cached_tokens}'");
}

void add_conversions(CLI::App& app, Options& options) {
  CLI::App* sub = add_command(app, options, Command::tokenize, "tokenize", "text to token ids");
  sub->footer(kTokenizeExamples);
  add_model(sub, options);
  add_text(sub, "TEXT", options.input.text, "the text; - reads standard input");
  add_text(sub, "--file", options.input.file, "file of the text, read byte for byte");
  sub->add_flag("--no-special", options.no_special, "add no BOS and no EOS");
  sub->add_flag("--special", options.special, "names of special tokens are those tokens");

  sub = add_command(app, options, Command::detokenize, "detokenize", "token ids to text");
  sub->footer(kDetokenizeExamples);
  add_model(sub, options);
  sub->add_option("IDS", options.input.ids, "the ids")->type_name("")->take_all();
  add_tokens(sub, options);
  sub->add_flag("--special", options.special, "spell special tokens out");
}

void add_eval(CLI::App& app, Options& options) {
  CLI::App* sub = add_command(app, options, Command::eval, "eval",
                              "how likely the model finds a sequence of tokens");
  sub->footer(kEvalExamples);
  add_model(sub, options);
  add_tokens(sub, options);
  sub->add_option("--logits-out", options.logits_out,
                  "write the logits to a file: float32, little-endian, [n_tokens, n_vocab]")
      ->type_name("");
}

void add_embed(CLI::App& app, Options& options) {
  CLI::App* sub =
      add_command(app, options, Command::embed, "embed", "the vector that stands for a text");
  sub->footer(kEmbedExamples);
  add_model(sub, options);
  add_text(sub, "TEXT", options.input.text, "the text; - reads standard input");
  add_text(sub, "--file", options.input.file, "file of the text, read byte for byte");
  add_tokens(sub, options);
  sub->add_option("--pooling", options.pooling, "of all tokens the mean, or the last one's [mean]")
      ->check(CLI::IsMember({"mean", "last"}))
      ->type_name("");
  sub->add_flag("--no-normalize", options.no_normalize, "keep the length; else it is made 1");
}

void add_load(CLI::App& app, Options& options) {
  CLI::App* sub = add_command(app, options, Command::load, "load", "have a model in memory");
  sub->footer(
      "\n  hearth load stories --keep-alive 2h\n\n"
      "Requests load their model by themselves: this is for doing it before.");
  add_model(sub, options);
  sub->add_option_function<std::string>(
         "--keep-alive",
         [&options](const std::string& text) {
           const auto seconds = parse_keep_alive(text);
           if (!seconds) refuse("--keep-alive", "\"" + text + "\" is " + seconds.error().message);
           options.keep_alive_s = *seconds;
         },
         "how long it then stays when nobody uses it: 90, 30m, 2h, forever [the daemon's setting]")
      ->type_name("");
  sub = add_command(app, options, Command::unload, "unload", "have a model out of memory");
  sub->footer(
      "\n  hearth unload stories\n\n"
      "Requests that are open are finished first.  What the model has cached stays.");
  add_model(sub, options);
}

CLI::App* add_session_action(CLI::App* sessions, Options& options, SessionAction action,
                             const char* name, const char* help) {
  CLI::App* sub = sessions->add_subcommand(name, help);
  sub->fallthrough();
  sub->callback([&options, action] { options.session_action = action; });
  return sub;
}

void add_argument(CLI::App* sub, const char* name, std::string& field, const char* help) {
  sub->add_option(name, field, help)->required()->type_name("");
}

void add_sessions(CLI::App& app, Options& options) {
  CLI::App* sessions =
      add_command(app, options, Command::sessions, "sessions", "texts that the daemon keeps");
  sessions->footer(kSessionsExamples);
  sessions->require_subcommand(0, 1);
  using enum SessionAction;
  const auto add = [&](SessionAction action, const char* name, const char* help) {
    return add_session_action(sessions, options, action, name, help);
  };
  const auto add_new_name = [&](CLI::App* sub) {
    sub->add_option("NEW", options.new_session, "name of the new one [the daemon chooses]")
        ->type_name("");
  };
  constexpr const char* kName = "name of a session";
  add(list, "ls", "list them");
  CLI::App* sub = add(create, "new", "make an empty one");
  add_model(sub, options);
  add_new_name(sub);
  sub = add(show, "show", "its text, or with --json its tokens too");
  add_argument(sub, "NAME", options.session, kName);
  sub = add(fork, "fork", "make one that begins as another");
  add_argument(sub, "NAME", options.session, kName);
  add_new_name(sub);
  sub = add(roll_back, "rollback", "drop its last tokens");
  add_argument(sub, "NAME", options.session, kName);
  sub->add_option_function<std::string>(
         "TOKENS",
         [&options](const std::string& text) {
           const char* end = text.data() + text.size();
           const auto parsed = std::from_chars(text.data(), end, options.session_tokens);
           if (parsed.ec == std::errc() && parsed.ptr == end && options.session_tokens >= 0) return;
           refuse("TOKENS", "\"" + text + "\" is no number of tokens");
         },
         "how many")
      ->required()
      ->type_name("");
  sub = add(remove, "rm", "forget it");
  add_argument(sub, "NAME", options.session, kName);
  sub = add(to_file, "export", "write it to a file, with what the cache holds of it");
  add_argument(sub, "NAME", options.session, kName);
  add_argument(sub, "FILE", options.session_file,
               "the file, replaced if it is there; - writes standard output");
  sub = add(from_file, "import", "make one of such a file, here and by the same user");
  add_model(sub, options);
  add_argument(sub, "FILE", options.session_file, "the file; - reads standard input");
  add_new_name(sub);
}

// "4096", "512M", "2G".
std::int64_t read_bytes(const std::string& option, const std::string& text) {
  constexpr std::string_view kUnits = "KMGT";
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  const std::size_t at = unit.size() == 1 ? kUnits.find(unit[0]) : std::string_view::npos;
  const std::size_t shift = at == std::string_view::npos ? 0 : 10 * (at + 1);
  const bool fits = error == std::errc() && (unit.empty() || shift > 0) && value >= 1 &&
                    value <= (std::int64_t{1} << 53) >> shift;
  if (!fits) refuse(option, fmt::format("\"{}\" is not a size: 4096, 512M, 2G", text));
  return value << shift;
}

CLI::App* add_cache_command(CLI::App* cache, Options& options, Command command, const char* name,
                            const char* help) {
  CLI::App* sub = add_command(*cache, options, command, name, help);
  add_model(sub, options);
  sub->add_flag("--all", options.all, "of all users; for root and the daemon's own user");
  add_number(sub, "--uid", options.uid, std::int64_t{0}, kUint32Max - 1,
             "of another user, likewise");
  return sub;
}

void add_prefix(CLI::App* sub, Options& options) {
  add_text(sub, "--prefix", options.prefix, "only texts that begin so");
  add_tokens(sub, options);
}

void add_cache(CLI::App& app, Options& options) {
  CLI::App* cache = app.add_subcommand("cache", "what is kept of prompts and replies");
  cache->require_subcommand(1);
  cache->fallthrough();
  CLI::App* sub = add_command(*cache, options, Command::cache_stats, "stats", "how large it is");
  sub->add_option("MODEL", options.model, "only of this model")->type_name("");
  sub = add_cache_command(cache, options, Command::cache_ls, "ls", "which texts are cached");
  sub->footer(kLsExamples);
  add_prefix(sub, options);
  add_number(sub, "--limit", options.limit, 1, 1000, "texts to list at most [100]");
  sub = add_cache_command(cache, options, Command::cache_evict, "evict",
                          "drop what is cached and nobody uses");
  sub->footer(kEvictExamples);
  add_prefix(sub, options);
  sub->add_option_function<std::string>(
         "--max-bytes",
         [&options](const std::string& text) {
           options.max_bytes = read_bytes("--max-bytes", text);
         },
         "at most so many: 4096, 512M, 2G [all]")
      ->type_name("");
  sub = add_cache_command(cache, options, Command::cache_verify, "verify",
                          "hold every page to its checksum, and drop what has changed");
  sub->footer("\n  hearth cache verify stories\n\nWho generates meanwhile hardly notices.");
}

void add_pull(CLI::App& app, Options& options) {
  CLI::App* sub = add_command(app, options, Command::pull, "pull", "download a model file");
  sub->footer(kPullExamples);
  sub->add_option("REF", options.ref, "OWNER/REPO[@REVISION]:FILE of a hub, or a URL")
      ->required()
      ->type_name("");
  sub->add_option("-o,--out", options.out_file, "file or directory for it")->type_name("");
  sub->add_option("--hub", options.hub, "base URL of the hub [https://huggingface.co]")
      ->envname("HEARTH_HUB")
      ->type_name("");
  sub->add_option("--token-file", options.token_file, "file with the token")->type_name("");
  sub->add_option("--sha256", options.sha256, "what the file's SHA-256 must be")->type_name("");
  sub->add_flag("--force", options.force, "replace a file that is there");
  add_number(sub, "--retry-pause-ms", options.retry_pause_ms, 0, 60000,
             "how long to wait before a broken connection is taken up again [1000]");
}

void add_config(CLI::App& app, Options& options) {
  CLI::App* sub = app.add_subcommand("config", "the settings of hearthd");
  sub->require_subcommand(1);
  CLI::App* explain = sub->add_subcommand(
      "explain", "every setting that hearthd would use, and where it comes from");
  explain->footer(
      "\n  hearth config explain\n  HEARTH_CTX=4096 hearth config explain --config test.toml");
  explain->add_option("--config", options.config_file, "TOML file with settings")->type_name("");
  explain->callback([&options] { options.command = Command::config; });
}

void add_files(CLI::App& app, Options& options) {
  CLI::App* sub = add_command(app, options, Command::info, "info", "what a model file holds");
  sub->footer(kInfoExamples);
  sub->add_option("FILE", options.in_file, "GGUF file")->required()->type_name("");
  add_number(sub, "--ctx", options.context, 1, 1 << 24,
             "count the memory of so many tokens [what the model was trained for]");
  sub->add_flag("--metadata", options.show_metadata, "list the metadata");
  sub->add_flag("--tensors", options.show_tensors, "list the tensors");

  sub = add_command(app, options, Command::quantize, "quantize",
                    "convert a model file to another format");
  std::string types;
  for (const std::string& name : QuantizeMix::names()) types += " " + name;
  sub->footer(kQuantizeExamples + ("\nTypes:" + types));
  sub->add_option("IN", options.in_file, "GGUF file")->required()->type_name("");
  sub->add_option("OUT", options.out_file, "the new file: there when it is whole, or not at all")
      ->required()
      ->type_name("");
  sub->add_option("TYPE", options.type, "a format or a mix of formats")->required()->type_name("");
  add_number(sub, "--threads", options.threads, 1, 1024, "threads [one per core]");
}

// What the options say together.
void check(const Options& options) {
  const Input& input = options.input;
  const int given = input.text.has_value() + input.file.has_value() + input.tokens.has_value() +
                    input.tokens_file.has_value() + !input.ids.empty();
  const char* possible = nullptr;
  switch (options.command) {
    case Command::run: possible = "PROMPT, --tokens or --tokens-file"; break;
    case Command::tokenize: possible = "TEXT or --file"; break;
    case Command::detokenize: possible = "IDS, --tokens or --tokens-file"; break;
    case Command::eval: possible = "--tokens or --tokens-file"; break;
    case Command::embed: possible = "TEXT, --file, --tokens or --tokens-file"; break;
    case Command::cache_ls:
    case Command::cache_evict:
      if (given + options.prefix.has_value() > 1) {
        refuse("--prefix, --tokens, --tokens-file", "only one of these can be given");
      }
      [[fallthrough]];
    case Command::cache_verify:
      if (options.all && options.uid != HEARTH_UNSET_I64) {
        refuse("--all, --uid", "only one of these can be given");
      }
      return;
    default: return;
  }
  if (given == 0) refuse(possible, "one of these is needed");
  if (given > 1) refuse(possible, "only one of these can be given");
  if (options.stop.size() > HEARTH_STOP_COUNT_MAX) {
    refuse("--stop", fmt::format("given {} times, {} are possible", options.stop.size(),
                                 HEARTH_STOP_COUNT_MAX));
  }
  for (const std::string& text : options.stop) {
    if (!text.empty() && text.size() <= HEARTH_STOP_BYTES_MAX) continue;
    refuse("--stop", fmt::format("a text of {} bytes; 1 to {} are possible", text.size(),
                                 HEARTH_STOP_BYTES_MAX));
  }
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& ret_exit_code) {
  CLI::App app("hearth asks hearthd, the daemon that keeps language models warm.", "hearth");
  app.footer(kAbout);
  app.set_version_flag("--version", "hearth " HEARTH_VERSION_STRING);
  app.require_subcommand(1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  Options options;
  app.add_option("--socket", options.socket, "the daemon's socket")->type_name("");
  app.add_flag("--json", options.json, "one JSON document on standard output");
  add_run(app, options);
  add_chat(app, options);
  add_status(app, options);
  add_conversions(app, options);
  add_eval(app, options);
  add_embed(app, options);
  add_load(app, options);
  add_sessions(app, options);
  add_cache(app, options);
  add_files(app, options);
  add_pull(app, options);
  add_card(app, options);
  add_config(app, options);
  try {
    app.parse(argc, argv);
    check(options);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      ret_exit_code = std::fflush(stdout) == 0 ? 0 : 1;
      return std::nullopt;
    }
    const auto parsed = app.get_subcommands();
    const std::string command = parsed.empty() ? "hearth" : "hearth " + parsed[0]->get_name();
    const std::string line = fmt::format("hearth: {}; see {} --help\n", error.what(), command);
    std::fputs((printable(line.substr(0, line.size() - 1)) + '\n').c_str(), stderr);
    ret_exit_code = 2;
    return std::nullopt;
  }
  return options;
}

}  // namespace hearth::cli
