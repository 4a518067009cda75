// Expressions are those of the models' own tokenizers, as their makers publish them
// (tokenizer.json, tiktoken), in the syntax of PCRE2.  Where makers agree, names share a row's
// expressions.
#include "engine/tokenizer/pre_tokenizer_table.hpp"

#include <algorithm>

namespace hearth {
namespace {

// Contractions of English, in any case.
#define HEARTH_CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
// openai/gpt-2, encoder.py
#define HEARTH_GPT2 R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"
#define HEARTH_SPACES R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"
// Letters as o200k divides them: what may begin a word, and what may go on in it.
#define HEARTH_UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define HEARTH_LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define HEARTH_ANY_CASE "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"

constexpr const char* kGpt2[] = {HEARTH_GPT2};

constexpr const char* kLlama3[] = {
    HEARTH_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)" HEARTH_SPACES};

constexpr const char* kQwen2[] = {
    HEARTH_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)" HEARTH_SPACES};

constexpr const char* kQwen35[] = {
    HEARTH_CONTRACTIONS
    R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" HEARTH_SPACES};

constexpr const char* kSeedCoder[] = {
    HEARTH_CONTRACTIONS R"(|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+)" HEARTH_SPACES};

constexpr const char* kBailing[] = {
    R"('(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"};

// Digits one by one, then as GPT-2.
constexpr const char* kStarcoder[] = {R"(\p{N})", HEARTH_GPT2};

constexpr const char* kFalcon[] = {R"([\p{P}$+<=>^~|`]+)", HEARTH_GPT2, R"([0-9][0-9][0-9])"};

constexpr const char* kBloom[] = {R"( ?[^(\s|.,!?…。，、।۔،)]+)"};
constexpr const char* kViking[] = {R"( ?[^(\s|.,!?…。，、।۔،)]+)", R"(\p{N})"};

constexpr const char* kDeepseekCoder[] = {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)",
                                          R"([一-龥ࠀ-一가-퟿]+)", R"(\p{N})"};

// The letters that have case, of the Unicode that its makers wrote the list from.
constexpr const char* kDeepseekLlm[] = {
    R"([\r\n])",
    R"(\s?[A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293})"
    R"(\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A})"
    R"(\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556})"
    R"(\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF})"
    R"(\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D})"
    R"(\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D})"
    R"(\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4})"
    R"(\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4})"
    R"(\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124})"
    R"(\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F})"
    R"(\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4})"
    R"(\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F})"
    R"(\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17})"
    R"(\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3})"
    R"(\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF})"
    R"(\x{1E900}-\x{1E943}]+)",
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)",
    R"(\s+\z)",
    R"([一-龥ࠀ-一가-퟿]+)",
    R"(\p{N}+)"};

constexpr const char* kDeepseek3[] = {
    R"(\p{N}{1,3})", R"([一-龥぀-ゟ゠-ヿ]+)",
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)"
    R"(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)" HEARTH_SPACES};

constexpr const char* kTekken[] = {R"([^\r\n\p{L}\p{N}]?)" HEARTH_UPPER "*" HEARTH_LOWER
                                   R"(+|[^\r\n\p{L}\p{N}]?)" HEARTH_UPPER "+" HEARTH_LOWER
                                   R"(*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" HEARTH_SPACES};

constexpr const char* kGpt4o[] = {R"([^\r\n\p{L}\p{N}]?)" HEARTH_UPPER "*" HEARTH_LOWER
                                  "+" HEARTH_ANY_CASE R"(|[^\r\n\p{L}\p{N}]?)" HEARTH_UPPER
                                  "+" HEARTH_LOWER "*" HEARTH_ANY_CASE
                                  R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" HEARTH_SPACES};

// As o200k, but Han apart: by the script itself, not (as PCRE2 reads \p{Han}) by its extensions.
#define HEARTH_NOT_HAN(letters) R"((?:(?!\p{sc:Han}))" letters ")"
constexpr const char* kKimiK2[] = {
    R"(\p{sc:Han}+|[^\r\n\p{L}\p{N}]?)" HEARTH_NOT_HAN(HEARTH_UPPER) "*" HEARTH_NOT_HAN(
        HEARTH_LOWER) "+" HEARTH_ANY_CASE
                      R"(|[^\r\n\p{L}\p{N}]?)" HEARTH_NOT_HAN(HEARTH_UPPER) "+" HEARTH_NOT_HAN(
                          HEARTH_LOWER) "*" HEARTH_ANY_CASE
                                        R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)" HEARTH_SPACES};

// Numbers from the right in groups of three.
constexpr const char* kSuperBpe[] = {R"(\p{N}+)", R"((?=(?:\d{3})+(?!\d)))"};

constexpr const char* kGemma4[] = {R"([^\n]+|\n+)"};

// A file that does not say gets GPT-2's: it is what "gpt2" meant before tokenizer.ggml.pre came up
// in 2024.
constexpr PreTokenizerRow kRows[] = {
    {"", kGpt2},
    {"bailingmoe", kBailing},
    {"bloom", kBloom},
    {"chatglm-bpe", kLlama3},
    {"codeshell", kStarcoder},
    {"command-r", kStarcoder},
    {"dbrx", kLlama3},
    {"deepseek-coder", kDeepseekCoder},
    {"deepseek-llm", kDeepseekLlm},
    {"deepseek-r1-qwen", kQwen2},
    {"deepseek-v3", kDeepseek3},
    {"default", kGpt2},
    {"exaone", kStarcoder},
    {"exaone4", kGpt2},
    {"falcon", kFalcon},
    {"falcon3", kLlama3, true},
    {"falcon-h1", kLlama3, true},
    {"gemma4", kGemma4},
    {"gigachat", kGpt2},
    {"glm4", kLlama3},
    {"gpt-2", kGpt2},
    {"gpt-4o", kGpt4o},
    {"gpt3-finnish", kBloom},
    {"granite-docling", kGpt2},
    {"grok-2", kQwen2},
    {"jais", kGpt2},
    {"jina-de", kGpt2},
    {"jina-es", kGpt2},
    {"jina-v2-de", kGpt2},
    {"jina-v2-es", kGpt2},
    {"kimi-k2", kKimiK2},
    {"lfm2", kLlama3, true},
    {"llada-moe", kBailing},
    {"llama-bpe", kLlama3, true},
    {"llama-v3", kLlama3, true},
    {"llama3", kLlama3, true},
    {"llama4", kGpt4o},
    {"megrez", kQwen2},
    {"mellum", kGpt2},
    {"minerva-7b", kStarcoder},
    {"minimax-m2", kLlama3},
    {"mpt", kGpt2},
    {"olmo", kGpt2},
    {"phi-2", kGpt2},
    {"pixtral", kLlama3, true},
    {"poro-chat", kBloom},
    {"qwen2", kQwen2},
    {"qwen35", kQwen35},
    {"refact", kStarcoder},
    {"seed-coder", kSeedCoder},
    {"smaug-bpe", kLlama3},
    {"smollm", kStarcoder},
    {"stablelm2", kQwen2},
    {"starcoder", kStarcoder},
    {"superbpe", kSuperBpe},
    {"tekken", kTekken, true},
    {"trillion", kGpt2},
    {"viking", kViking},
};

}  // namespace

const PreTokenizerRow* find_pre_tokenizer(std::string_view name) {
  const auto found = std::ranges::find(kRows, name, &PreTokenizerRow::name);
  return found == std::end(kRows) ? nullptr : &*found;
}

std::string pre_tokenizer_names() {
  std::string names;
  for (const PreTokenizerRow& row : kRows) {
    if (row.name.empty()) continue;
    names.append(names.empty() ? "" : ", ").append(row.name);
  }
  return names;
}

}  // namespace hearth
