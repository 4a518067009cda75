// hearth pull: a model file from a hub to the user's own directory.  Runs as the user; the daemon
// knows nothing of it.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "cli/commands.hpp"
#include "cli/download.hpp"
#include "cli/environment.hpp"
#include "cli/interrupt.hpp"
#include "cli/json.hpp"
#include "cli/progress_bar.hpp"
#include "cli/standard_output.hpp"
#include "cli/table.hpp"
#include "files/model_facts.hpp"

namespace hearth::cli {
namespace {

namespace fs = std::filesystem;

// $XDG_DATA_HOME/hearth/models, or the place that stands for it.
Result<fs::path> models_directory() {
  const std::string data = user_directory("XDG_DATA_HOME", ".local/share");
  if (!data.empty()) return fs::path(data) / "models";
  return Error{Code::CONFIG, "--out: neither XDG_DATA_HOME nor HOME say where models go"};
}

// OWNER/REPO[@REVISION]:FILE of a hub, or a URL.  A URL of a hub's page of a file (/blob/) means
// the file itself.
Result<std::string> url_of(const std::string& ref, std::string hub) {
  const auto wrong = [&](const char* why) {
    return Error{
        Code::CONFIG,
        fmt::format("REF: \"{}\" {}; possible are OWNER/REPO:FILE, OWNER/REPO@REVISION:FILE "
                    "and a URL",
                    ref, why)};
  };
  if (ref.find_first_of(" \t\r\n\"<>") != std::string::npos) return wrong("has a space in it");
  if (ref.starts_with("http://") || ref.starts_with("https://")) {
    std::string url = ref;
    const std::size_t blob = url.find("/blob/");
    if (blob != std::string::npos) url.replace(blob, 6, "/resolve/");
    return url;
  }
  const std::size_t colon = ref.find(':');
  if (colon == std::string::npos) return wrong("names no file");
  std::string repository = ref.substr(0, colon);
  std::string revision = "main";
  if (const std::size_t at = repository.find('@'); at != std::string::npos) {
    revision = repository.substr(at + 1);
    repository.resize(at);
  }
  const std::string file = ref.substr(colon + 1);
  if (std::ranges::count(repository, '/') != 1 || repository.starts_with('/') ||
      repository.ends_with('/') || revision.empty()) {
    return wrong("is no repository of a hub");
  }
  if (file.empty() || file.starts_with('/')) return wrong("names no file");
  while (hub.ends_with('/')) hub.pop_back();
  return fmt::format("{}/{}/resolve/{}/{}", hub, repository, revision, file);
}

// The last part of the URL's path.
std::string name_of(const std::string& url) {
  const std::string path = url.substr(0, url.find_first_of("?#"));
  return path.substr(path.rfind('/') + 1);
}

// All files of a split model, "NAME-00001-of-00003.gguf", when url is the first; else itself.
Result<std::vector<std::string>> parts_of(const std::string& url) {
  constexpr std::size_t kTail = 20;  // "-00001-of-00003.gguf"
  constexpr int kPartsMax = 999;
  const std::string path = url.substr(0, url.find_first_of("?#"));
  const std::string rest = url.substr(path.size());
  const std::string tail = path.size() < kTail ? "" : path.substr(path.size() - kTail);
  if (!tail.starts_with("-00001-of-") || !tail.ends_with(".gguf")) return std::vector{url};
  int count = 0;
  const auto [end, error] = std::from_chars(tail.data() + 10, tail.data() + 15, count);
  if (error != std::errc() || end != tail.data() + 15) return std::vector{url};
  if (count < 1 || count > kPartsMax) {
    return Error{Code::CONFIG,
                 fmt::format("REF: a model of {} files; {} are possible", count, kPartsMax)};
  }
  std::vector<std::string> urls;
  const std::string stem = path.substr(0, path.size() - kTail);
  for (int part = 1; part <= count; ++part) {
    urls.push_back(fmt::format("{}-{:05}-of-{:05}.gguf{}", stem, part, count, rest));
  }
  return urls;
}

Result<std::string> read_token(const Options& options) {
  if (options.token_file.empty()) {
    const std::string own = environment("HEARTH_HUB_TOKEN");
    return own.empty() ? environment("HF_TOKEN") : own;
  }
  std::ifstream file(options.token_file);
  std::string token;
  if (!(file >> token)) {
    return Error{Code::CONFIG,
                 fmt::format("--token-file: {} cannot be read, or is empty", options.token_file)};
  }
  return token;
}

// Where the file goes: a directory keeps its name.
Result<fs::path> place_of(const Options& options, const std::string& name, bool alone) {
  fs::path place = options.out_file;
  if (place.empty()) {
    HEARTH_TRY(place, models_directory());
  } else if (alone && !fs::is_directory(place)) {
    return place;
  }
  std::error_code failed;
  fs::create_directories(place, failed);
  if (failed)
    return Error{Code::IO, fmt::format("create {}: {}", place.string(), failed.message())};
  return place / name;
}

// The same host as the hub gets the token, and nobody else.
bool is_of(const std::string& url, const std::string& hub) {
  const auto origin = [](const std::string& text) {
    const std::size_t host = text.find("://");
    return host == std::string::npos ? text : text.substr(0, text.find('/', host + 3));
  };
  return origin(url) == origin(hub);
}

Result<Downloaded> fetch(const std::string& url, const fs::path& path, const Options& options,
                         const std::string& token) {
  ProgressBar bar;
  Download request;
  request.url = url;
  request.path = path;
  if (is_of(url, options.hub)) request.token = token;
  if (!options.sha256.empty()) request.sha256 = options.sha256;
  request.retry_pause_ms = options.retry_pause_ms;
  request.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    const auto size = [](std::uint64_t bytes) { return bytes_text(static_cast<double>(bytes)); };
    const std::string label = total == 0 ? size(done) : size(done) + " of " + size(total);
    bar.show(label, total == 0 ? 0 : static_cast<double>(done) / static_cast<double>(total));
  };
  return download(request);
}

Status tell(const fs::path& path, const Downloaded& last, std::uint64_t bytes,
            const Options& options) {
  HEARTH_TRY(const GgufFile file, GgufFile::open(path));
  HEARTH_TRY(const ModelFacts facts, read_facts(file));
  if (!options.json) {
    return write_output(
        fmt::format("{}: {} {}, {}, {}\nSHA-256 {}{}\nserve it: hearthd --model {}={}\n",
                    printable(path.string()), printable(facts.architecture),
                    count_text(static_cast<double>(facts.parameters)), facts.weights,
                    bytes_text(static_cast<double>(bytes)), last.sha256,
                    last.checked ? ", as it should be" : "; nobody says what it should be",
                    printable(path.stem().string()), printable(path.string())));
  }
  JsonObject object;
  object.add("file", path.string())
      .add("bytes", static_cast<std::int64_t>(bytes))
      .add("resumed_bytes", static_cast<std::int64_t>(last.resumed))
      .add("sha256", last.sha256)
      .add_json("checked", last.checked ? "true" : "false")
      .add("architecture", facts.architecture)
      .add("weights", facts.weights);
  return write_output(object.text() + '\n');
}

// What is no model is not kept: often it is the page on which to log in, or half of a file.  Of a
// split model only the whole can be judged.
Status check_model(const fs::path& path, const std::string& url, bool alone) {
  std::string why = "no GGUF file";
  char magic[4] = {};
  std::ifstream file(path, std::ios::binary);
  if (file.read(magic, sizeof(magic)) && std::string_view(magic, 4) == "GGUF") {
    if (!alone) return {};
    const auto opened = GgufFile::open(path);
    if (opened) return {};
    why = "a broken one: " + opened.error().message;
  }
  std::error_code ignored;
  fs::remove(path, ignored);
  return Error{Code::MODEL, fmt::format("{}: what came is {}; it was removed", url, why)};
}

}  // namespace

Result<int> run_pull(const Options& options) {
  HEARTH_TRY(const std::string url, url_of(options.ref, options.hub));
  HEARTH_TRY(const std::vector<std::string> urls, parts_of(url));
  if (urls.size() > 1 && !options.sha256.empty()) {
    return Error{Code::CONFIG, "--sha256: the model has several files"};
  }
  HEARTH_TRY(const std::string token, read_token(options));
  const SignalHold hold;
  fs::path first;
  Downloaded last;
  std::uint64_t bytes = 0;
  for (const std::string& part : urls) {
    const std::string name = name_of(part);
    if (name.empty() || name == "." || name == "..") {
      return Error{Code::CONFIG, fmt::format("REF: {} names no file", part)};
    }
    HEARTH_TRY(const fs::path path, place_of(options, name, urls.size() == 1));
    if (first.empty()) first = path;
    if (fs::exists(path) && !options.force) {
      if (urls.size() > 1) continue;  // what an earlier attempt has done
      return Error{Code::IO,
                   fmt::format("{} is there already; --force replaces it", path.string())};
    }
    HEARTH_TRY(last, fetch(part, path, options, token));
    HEARTH_CHECK(check_model(path, part, urls.size() == 1));
    bytes += last.bytes;
  }
  HEARTH_CHECK(tell(first, last, bytes, options));
  return 0;
}

}  // namespace hearth::cli
