// See download.hpp.
#include "cli/download.hpp"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <memory>

#include "cli/interrupt.hpp"
#include "common/unique_fd.hpp"

namespace hearth::cli {
namespace {

constexpr int kFailuresMax = 6;          // in a row, without a byte
constexpr long kRedirectsMax = 10;       // of one request
constexpr long kConnectSeconds = 30;     // to connect
constexpr long kSilenceSeconds = 60;     // without a byte: broken
constexpr std::size_t kShownBytes = 64;  // of what a server says, in a message

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return out;
}

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n\"");
  if (begin == std::string_view::npos) return "";
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n\"") + 1 - begin));
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// What one response said.
struct Answer {
  long status = 0;
  std::string etag;         // of the last response
  std::string linked_etag;  // X-Linked-ETag: a hub's checksum of what it redirects to
  std::uint64_t linked_size = 0;
  std::uint64_t range_begin = 0;  // of Content-Range
  std::uint64_t range_total = 0;
  std::uint64_t content_length = 0;  // 0: not said
};

std::uint64_t number_in(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Header lines, of every response on the way.
void take_header(std::string_view line, Answer& answer) {
  if (line.starts_with("HTTP/")) {
    // A hub's word about the file stands in its redirect; what follows is the store's.
    answer.etag.clear();
    answer.content_length = answer.range_begin = answer.range_total = 0;
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name = lower(line.substr(0, colon));
  const std::string value = trimmed(line.substr(colon + 1));
  if (name == "etag") answer.etag = value;
  if (name == "x-linked-etag") answer.linked_etag = value;
  if (name == "x-linked-size") answer.linked_size = number_in(value);
  if (name == "content-length") answer.content_length = number_in(value);
  if (name == "content-range" && value.starts_with("bytes ")) {
    answer.range_begin = number_in(std::string_view(value).substr(6));
    const std::size_t slash = value.find('/');
    if (slash != std::string::npos) {
      answer.range_total = number_in(std::string_view(value).substr(slash + 1));
    }
  }
}

struct CurlDelete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

class Transfer {
 public:
  explicit Transfer(const Download& request)
      : request_(request), part_(request.path + ".part"), from_(request.path + ".part.from") {}
  // What is not worth going on from is not kept.
  ~Transfer() {
    if (!file_ || have_ != 0) return;
    unlink(part_.c_str());
    unlink(from_.c_str());
  }

  Result<Downloaded> run();

 private:
  Status open_part();
  Status forget_part();
  Status attempt();
  void set_options(CURL* curl, char* error);
  bool take_first_bytes();
  std::size_t write(const char* data, std::size_t size);
  Status judge(CURLcode code, const char* error);
  Status finish();
  Error failed(Code code, const std::string& why) const {
    return Error{code, fmt::format("{}: {}", request_.url, why)};
  }

  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) {
    take_header({data, size * count}, static_cast<Transfer*>(self)->answer_);
    return size * count;
  }
  static std::size_t on_write(char* data, std::size_t size, std::size_t count, void* self) {
    return static_cast<Transfer*>(self)->write(data, size * count);
  }
  static int on_progress(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return caught_signal() != 0;
  }

  const Download& request_;
  const std::string part_, from_;
  UniqueFd file_;
  crypto_hash_sha256_state hash_ = {};
  std::uint64_t have_ = 0;   // bytes in the file, all of them hashed
  std::uint64_t total_ = 0;  // 0: not known
  std::uint64_t resumed_ = 0;
  std::string version_;  // of the file, by the server: an ETag; empty: none
  std::string known_sha256_;
  CURL* curl_ = nullptr;  // of the attempt that runs
  Answer answer_;
  bool body_began_ = false;
  std::optional<Error> stop_;  // why on_write gave up, for good
};

// What an earlier attempt left, read once for its checksum.
Status Transfer::open_part() {
  file_ = UniqueFd(::open(part_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!file_) return from_errno("create " + part_);
  if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0) {
    file_.reset();
    return Error{Code::INVALID_OPERATION, part_ + ": another download writes to it"};
  }
  crypto_hash_sha256_init(&hash_);
  std::ifstream from(from_);
  std::string url;
  if (!std::getline(from, url) || !std::getline(from, version_) || url != request_.url ||
      version_.empty()) {
    return forget_part();
  }
  std::vector<unsigned char> buffer(1 << 20);
  for (ssize_t size; (size = read(file_.get(), buffer.data(), buffer.size())) > 0;) {
    if (caught_signal() != 0) return Error{Code::CANCELED, "interrupted"};
    crypto_hash_sha256_update(&hash_, buffer.data(), static_cast<unsigned long long>(size));
    have_ += static_cast<std::uint64_t>(size);
  }
  resumed_ = have_;
  return {};
}

Status Transfer::forget_part() {
  have_ = resumed_ = 0;
  version_.clear();
  crypto_hash_sha256_init(&hash_);
  if (ftruncate(file_.get(), 0) != 0 || lseek(file_.get(), 0, SEEK_SET) != 0) {
    return from_errno("write " + part_);
  }
  return {};
}

// tidy: long, one line an option
void Transfer::set_options(CURL* curl, char* error) {
  curl_easy_setopt(curl, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "hearth");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kRedirectsMax);
  // What began encrypted does not go on in the clear.
  const bool secure = lower(request_.url).starts_with("https:");
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kSilenceSeconds);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &on_write);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  if (!request_.token.empty()) {
    // libcurl leaves it out where a redirect leads to another host.
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, request_.token.c_str());
  }
}

// With the first bytes all headers are there: whether they go on where we are.
bool Transfer::take_first_bytes() {
  const std::string version = answer_.linked_etag.empty() ? answer_.etag : answer_.linked_etag;
  const bool goes_on = answer_.status == 206 && answer_.range_begin == have_ &&
                       version == version_ && !version.empty();
  if (!goes_on && answer_.status == 206 && answer_.range_begin != 0) {
    // Another version, from the middle: the next attempt begins anew.
    if (const Status forgotten = forget_part(); !forgotten) stop_ = forgotten.error();
    return false;
  }
  if (!goes_on && have_ != 0) {
    if (const Status forgotten = forget_part(); !forgotten) {
      stop_ = forgotten.error();
      return false;
    }
  }
  version_ = version;
  const std::string checksum = lower(answer_.linked_etag);
  known_sha256_ = is_sha256(checksum) ? checksum : "";
  total_ = answer_.range_total != 0      ? answer_.range_total
           : answer_.content_length != 0 ? have_ + answer_.content_length
                                         : answer_.linked_size;
  if (answer_.linked_size != 0 && total_ != answer_.linked_size) {
    stop_ = failed(Code::MODEL, fmt::format("the server has {} bytes where the hub promises {}",
                                            total_, answer_.linked_size));
    return false;
  }
  struct statvfs disk = {};
  if (fstatvfs(file_.get(), &disk) == 0 && total_ > have_ &&
      total_ - have_ > std::uint64_t{disk.f_bavail} * disk.f_frsize) {
    stop_ = Error{Code::LIMIT,
                  fmt::format("{}: {} more bytes are needed than the disk has room for",
                              request_.path, total_ - have_ - disk.f_bavail * disk.f_frsize)};
    return false;
  }
  std::ofstream(from_) << request_.url << '\n' << version_ << '\n';
  return true;
}

// Less than size ends the attempt.
std::size_t Transfer::write(const char* data, std::size_t size) {
  if (!body_began_) {
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &answer_.status);
    if (answer_.status != 200 && answer_.status != 206) return size;  // an error's page
    if (!take_first_bytes()) return 0;
    body_began_ = true;
  }
  for (std::size_t at = 0; at < size;) {
    const ssize_t wrote = ::write(file_.get(), data + at, size - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      stop_ = from_errno("write " + part_);
      return 0;
    }
    crypto_hash_sha256_update(&hash_, reinterpret_cast<const unsigned char*>(data + at),
                              static_cast<unsigned long long>(wrote));
    at += static_cast<std::size_t>(wrote);
    have_ += static_cast<std::size_t>(wrote);
  }
  if (request_.on_progress) request_.on_progress(have_, total_);
  return size;
}

// UNAVAILABLE: another attempt may do better.
Status Transfer::judge(CURLcode code, const char* error) {
  if (caught_signal() != 0) {
    return Error{
        Code::CANCELED,
        fmt::format("interrupted; {} bytes are kept, and the same command goes on", have_)};
  }
  if (stop_) return *stop_;
  const auto again = [&](const std::string& why) { return failed(Code::UNAVAILABLE, why); };
  if (code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_UNSUPPORTED_PROTOCOL ||
      code == CURLE_URL_MALFORMAT || code == CURLE_PEER_FAILED_VERIFICATION) {
    return failed(Code::IO, *error != '\0' ? error : curl_easy_strerror(code));
  }
  const long status = answer_.status;
  if (status == 401 || status == 403) {
    return failed(
        Code::INVALID,
        request_.token.empty()
            ? fmt::format("status {}: a token is needed, in HF_TOKEN or --token-file", status)
            : fmt::format("status {}: the token is not allowed to; for a gated model its "
                          "terms must be accepted on its page first",
                          status));
  }
  if (status == 404 || status == 410) return failed(Code::NOT_FOUND, "there is no such file");
  if (status == 416) {
    HEARTH_CHECK(forget_part());
    return again("what was kept is longer than the file");
  }
  if (status == 408 || status == 429 || status >= 500)
    return again(fmt::format("status {}", status));
  if (status >= 400) return failed(Code::IO, fmt::format("status {}", status));
  if (code != CURLE_OK) return again(*error != '\0' ? error : curl_easy_strerror(code));
  if (total_ != 0 && have_ < total_) return again("the connection ended early");
  return {};
}

Status Transfer::attempt() {
  const std::unique_ptr<CURL, CurlDelete> curl(curl_easy_init());
  if (!curl) return Error{Code::OUT_OF_MEMORY, "libcurl gives no handle"};
  char error[CURL_ERROR_SIZE] = "";
  set_options(curl.get(), error);
  std::unique_ptr<curl_slist, CurlDelete> headers;
  if (have_ != 0) {
    curl_easy_setopt(curl.get(), CURLOPT_RANGE, fmt::format("{}-", have_).c_str());
    headers.reset(curl_slist_append(nullptr, "Accept-Encoding: identity"));
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  }
  answer_ = {};
  body_began_ = false;
  curl_ = curl.get();
  const CURLcode code = curl_easy_perform(curl.get());
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer_.status);
  return judge(code, error);
}

// Whole: is it what it should be?
Status Transfer::finish() {
  const auto refuse = [&](const std::string& why) -> Status {
    unlink(part_.c_str());
    unlink(from_.c_str());
    return failed(Code::MODEL, why + "; what arrived was removed");
  };
  if (total_ != 0 && have_ != total_) {
    return refuse(fmt::format("{} bytes came, {} were promised", have_, total_));
  }
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest;
  crypto_hash_sha256_final(&hash_, digest.data());
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  const std::string wanted = request_.sha256 ? lower(*request_.sha256) : known_sha256_;
  if (!wanted.empty() && wanted != hex) {
    return refuse(fmt::format("its SHA-256 is {}, not {}", hex, wanted.substr(0, kShownBytes)));
  }
  known_sha256_ = hex;
  if (fsync(file_.get()) != 0) return from_errno("write " + part_);
  if (rename(part_.c_str(), request_.path.c_str()) != 0)
    return from_errno("create " + request_.path);
  unlink(from_.c_str());
  return {};
}

Result<Downloaded> Transfer::run() {
  HEARTH_CHECK(open_part());
  int failures = 0;
  std::uint64_t furthest = have_;  // who begins anew again and again makes no progress
  for (int pause_ms = request_.retry_pause_ms;;) {
    const Status status = attempt();
    if (status) break;
    if (status.error().code != Code::UNAVAILABLE) return status.error();
    if (have_ > furthest) {
      furthest = have_;
      failures = 0;
      pause_ms = request_.retry_pause_ms;
    }
    if (++failures > kFailuresMax) {
      return Error{Code::IO, fmt::format("{}; {} bytes are kept, and the same command goes on",
                                         status.error().message, have_)};
    }
    poll(nullptr, 0, pause_ms);  // a signal ends it
    pause_ms = std::min(2 * pause_ms, 60'000);
  }
  const bool checked = request_.sha256.has_value() || !known_sha256_.empty();
  HEARTH_CHECK(finish());
  return Downloaded{have_, resumed_, known_sha256_, checked};
}

}  // namespace

Result<Downloaded> download(const Download& request) {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && sodium_init() >= 0;
  if (!ready) return Error{Code::IO, "libcurl or libsodium cannot be used"};
  if (request.sha256 && !is_sha256(lower(*request.sha256))) {
    return Error{Code::CONFIG, "--sha256: not 64 hex digits"};
  }
  return Transfer(request).run();
}

}  // namespace hearth::cli
