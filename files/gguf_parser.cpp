// See gguf_parser.hpp.
#include "files/gguf_parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "common/checked.hpp"

namespace hearth {
namespace {

constexpr std::uint64_t kKeyBytesMax = 65535;  // the specification's limit
constexpr std::uint64_t kTensorNameBytesMax =
    256;  // the specification says 64; some tools exceed it
constexpr std::uint64_t kAlignmentMax = 1u << 20;
constexpr std::uint64_t kCountMax = 1u << 17;  // of keys, of tensors: the largest files have 10^4
constexpr int kArrayDepthMax = 4;              // arrays of arrays are legal and unused

// The tensor formats the field has numbered: name, weights per block, bytes per block.  Only their
// sizes matter here: which of them can be computed with is the kernels' business.
struct TensorTypeInfo {
  std::uint32_t number;
  const char* name;
  std::uint64_t block_weights;
  std::uint64_t block_bytes;
};
constexpr std::array kTensorTypes = {
    TensorTypeInfo{0, "F32", 1, 4},         TensorTypeInfo{1, "F16", 1, 2},
    TensorTypeInfo{2, "Q4_0", 32, 18},      TensorTypeInfo{3, "Q4_1", 32, 20},
    TensorTypeInfo{6, "Q5_0", 32, 22},      TensorTypeInfo{7, "Q5_1", 32, 24},
    TensorTypeInfo{8, "Q8_0", 32, 34},      TensorTypeInfo{9, "Q8_1", 32, 36},
    TensorTypeInfo{10, "Q2_K", 256, 84},    TensorTypeInfo{11, "Q3_K", 256, 110},
    TensorTypeInfo{12, "Q4_K", 256, 144},   TensorTypeInfo{13, "Q5_K", 256, 176},
    TensorTypeInfo{14, "Q6_K", 256, 210},   TensorTypeInfo{15, "Q8_K", 256, 292},
    TensorTypeInfo{16, "IQ2_XXS", 256, 66}, TensorTypeInfo{17, "IQ2_XS", 256, 74},
    TensorTypeInfo{18, "IQ3_XXS", 256, 98}, TensorTypeInfo{19, "IQ1_S", 256, 50},
    TensorTypeInfo{20, "IQ4_NL", 32, 18},   TensorTypeInfo{21, "IQ3_S", 256, 110},
    TensorTypeInfo{22, "IQ2_S", 256, 82},   TensorTypeInfo{23, "IQ4_XS", 256, 136},
    TensorTypeInfo{24, "I8", 1, 1},         TensorTypeInfo{25, "I16", 1, 2},
    TensorTypeInfo{26, "I32", 1, 4},        TensorTypeInfo{27, "I64", 1, 8},
    TensorTypeInfo{28, "F64", 1, 8},        TensorTypeInfo{29, "IQ1_M", 256, 56},
    TensorTypeInfo{30, "BF16", 1, 2},       TensorTypeInfo{34, "TQ1_0", 256, 54},
    TensorTypeInfo{35, "TQ2_0", 256, 66},   TensorTypeInfo{39, "MXFP4", 32, 17},
};

const TensorTypeInfo* find_tensor_type(std::uint32_t number) {
  for (const TensorTypeInfo& info : kTensorTypes) {
    if (info.number == number) return &info;
  }
  return nullptr;
}

// Bytes of a tensor, or nothing when the shape overflows or does not fill whole blocks.
std::optional<std::uint64_t> tensor_bytes(const GgufTensor& tensor, const TensorTypeInfo& info) {
  if (tensor.dims[0] % info.block_weights != 0) return std::nullopt;
  std::optional<std::uint64_t> bytes =
      checked_mul(tensor.dims[0] / info.block_weights, info.block_bytes);
  for (int i = 1; i < 4 && bytes; ++i) bytes = checked_mul(*bytes, tensor.dims[i]);
  return bytes;
}

}  // namespace

std::string tensor_type_name(std::uint32_t type) {
  const TensorTypeInfo* info = find_tensor_type(type);
  return info ? info->name : fmt::format("type {}", type);
}

std::size_t gguf_scalar_bytes(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean: return 1;
    case GgufType::u16:
    case GgufType::i16: return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32: return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64: return 8;
    case GgufType::string:
    case GgufType::array: return 0;
  }
  return 0;
}

Error GgufParser::fail(const std::string& what) const {
  return Error{Code::MODEL, fmt::format("{}: at byte {}: {}", mapping_.path(), offset_, what)};
}

Status GgufParser::parse(std::size_t part_index) {
  HEARTH_CHECK(parse_header());
  HEARTH_CHECK(parse_values(part_index));
  return parse_tensors();
}

Status GgufParser::parse_header() {
  HEARTH_TRY(const auto magic, take<std::uint32_t>("the magic number"));
  if (magic != 0x46554747) {  // "GGUF"
    offset_ = 0;
    return fail("this is not a GGUF file (it does not begin with \"GGUF\")");
  }
  HEARTH_TRY(const auto version, take<std::uint32_t>("the version"));
  if (version != 2 && version != 3) {
    const std::uint32_t swapped = __builtin_bswap32(version);
    if (swapped == 2 || swapped == 3) return fail("big-endian GGUF files are not supported");
    return fail(fmt::format("GGUF version {} is not supported, only 2 and 3", version));
  }
  HEARTH_TRY(tensor_count_, take<std::uint64_t>("the tensor count"));
  HEARTH_TRY(value_count_, take<std::uint64_t>("the metadata count"));
  // Counts that make no sense are refused here, before anything is sized by them.  The smallest
  // value takes 13 bytes and the smallest tensor entry 32.
  if (value_count_ > kCountMax || tensor_count_ > kCountMax) {
    return fail(fmt::format("{} metadata values and {} tensors; at most {} of each are possible",
                            value_count_, tensor_count_, kCountMax));
  }
  const std::uint64_t left = data_.size() - offset_;
  if (value_count_ > left / 13) {
    return fail(fmt::format("{} metadata values cannot fit in {} bytes", value_count_, left));
  }
  if (tensor_count_ > left / 32) {
    return fail(fmt::format("{} tensors cannot fit in {} bytes", tensor_count_, left));
  }
  return {};
}

Result<std::string_view> GgufParser::parse_string(const char* what, std::uint64_t bytes_max) {
  HEARTH_TRY(const auto size, take<std::uint64_t>(what));
  const std::uint64_t left = data_.size() - offset_;
  if (size > bytes_max) {
    return fail(fmt::format("{} of {} bytes; the limit is {}", what, size, bytes_max));
  }
  if (size > left) {
    return fail(fmt::format("{} of {} bytes, but only {} bytes are left", what, size, left));
  }
  const auto* text = reinterpret_cast<const char*>(data_.data() + offset_);
  offset_ += size;
  return std::string_view(text, size);
}

Result<GgufType> GgufParser::parse_type() {
  HEARTH_TRY(const auto number, take<std::uint32_t>("a value type"));
  if (number > static_cast<std::uint32_t>(GgufType::f64)) {
    return fail(fmt::format("value type {} does not exist", number));
  }
  return static_cast<GgufType>(number);
}

Status GgufParser::skip_elements(GgufType type, std::uint64_t count, int depth) {
  const std::uint64_t left = data_.size() - offset_;
  if (const std::size_t scalar = gguf_scalar_bytes(type); scalar != 0) {
    if (count > left / scalar) {
      return fail(fmt::format("an array of {} elements, but only {} bytes are left", count, left));
    }
    offset_ += count * scalar;
    return {};
  }
  if (count > left / 8) {  // a string or array takes at least 8 bytes
    return fail(fmt::format("an array of {} elements, but only {} bytes are left", count, left));
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    if (type == GgufType::string) {
      HEARTH_CHECK(parse_string("a string", data_.size()));
      continue;
    }
    if (depth >= kArrayDepthMax) return fail("arrays are nested too deeply");
    HEARTH_TRY(const GgufType inner, parse_type());
    HEARTH_TRY(const auto inner_count, take<std::uint64_t>("an array's length"));
    HEARTH_CHECK(skip_elements(inner, inner_count, depth + 1));
  }
  return {};
}

Result<GgufValue> GgufParser::parse_value(GgufType type) {
  GgufValue value{type, type, 1, {}};
  if (type == GgufType::array) {
    HEARTH_TRY(value.element_type, parse_type());
    HEARTH_TRY(value.count, take<std::uint64_t>("an array's length"));
  }
  const std::size_t begin = offset_;
  HEARTH_CHECK(skip_elements(value.element_type, value.count, /*depth=*/1));
  value.bytes = data_.subspan(begin, offset_ - begin);
  return value;
}

Status GgufParser::parse_values(std::size_t part_index) {
  std::map<std::string_view, GgufValue> later_part;
  auto& values = part_index == 0 ? into_.values_ : later_part;
  for (std::uint64_t i = 0; i < value_count_; ++i) {
    HEARTH_TRY(const std::string_view key, parse_string("a metadata key", kKeyBytesMax));
    HEARTH_TRY(const GgufType type, parse_type());
    HEARTH_TRY(const GgufValue value, parse_value(type));
    if (!values.emplace(key, value).second) {
      return fail(fmt::format("the metadata key \"{}\" stands twice", key));
    }
  }
  // Alignment is a property of each part; the other keys of later parts repeat the first part's.
  if (const auto found = values.find("general.alignment"); found != values.end()) {
    if (found->second.type != GgufType::u32) return fail("general.alignment is not of type u32");
    std::uint32_t alignment;
    std::memcpy(&alignment, found->second.bytes.data(), sizeof(alignment));
    if (!std::has_single_bit(alignment) || alignment > kAlignmentMax) {
      return fail(fmt::format("general.alignment is {}: not a power of two up to {}", alignment,
                              kAlignmentMax));
    }
    alignment_ = alignment;
  }
  return {};
}

Status GgufParser::parse_tensors() {
  const std::size_t first_tensor = into_.tensors_.size();
  std::vector<std::uint64_t> offsets;
  offsets.reserve(tensor_count_);
  into_.tensors_.reserve(first_tensor + tensor_count_);
  for (std::uint64_t i = 0; i < tensor_count_; ++i) {
    GgufTensor tensor{{}, 0, 0, {1, 1, 1, 1}, {}};
    HEARTH_TRY(tensor.name, parse_string("a tensor name", kTensorNameBytesMax));
    HEARTH_TRY(tensor.dim_count, take<std::uint32_t>("a tensor's dimension count"));
    if (tensor.dim_count < 1 || tensor.dim_count > 4) {
      return fail(fmt::format("tensor {}: {} dimensions; 1 to 4 are possible", tensor.name,
                              tensor.dim_count));
    }
    for (std::uint32_t d = 0; d < tensor.dim_count; ++d) {
      HEARTH_TRY(tensor.dims[d], take<std::uint64_t>("a tensor's dimension"));
      if (tensor.dims[d] == 0) {
        return fail(fmt::format("tensor {}: dimension {} is 0", tensor.name, d));
      }
    }
    HEARTH_TRY(tensor.type, take<std::uint32_t>("a tensor's type"));
    HEARTH_TRY(const auto offset, take<std::uint64_t>("a tensor's offset"));
    offsets.push_back(offset);
    if (!into_.tensor_index_.emplace(tensor.name, into_.tensors_.size()).second) {
      return fail(fmt::format("tensor {} stands twice", tensor.name));
    }
    into_.tensors_.push_back(tensor);
  }
  return place_tensors(first_tensor, offsets);
}

// Offsets count from the first aligned byte behind the table.
Status GgufParser::place_tensors(std::size_t first_tensor,
                                 const std::vector<std::uint64_t>& offsets) {
  const std::uint64_t data_begin = align_up<std::uint64_t>(offset_, alignment_);
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    GgufTensor& tensor = into_.tensors_[first_tensor + i];
    if (offsets[i] % alignment_ != 0) {
      return fail(fmt::format("tensor {}: offset {} is not a multiple of the alignment {}",
                              tensor.name, offsets[i], alignment_));
    }
    const TensorTypeInfo* info = find_tensor_type(tensor.type);
    if (info == nullptr) continue;  // named when somebody wants to compute with it
    const auto size = tensor_bytes(tensor, *info);
    const auto begin = checked_add(data_begin, offsets[i]);
    const auto end = size && begin ? checked_add(*begin, *size) : std::nullopt;
    if (!size) {
      return fail(fmt::format("tensor {}: {} x {} x {} x {} is no shape of {} (blocks of {})",
                              tensor.name, tensor.dims[0], tensor.dims[1], tensor.dims[2],
                              tensor.dims[3], info->name, info->block_weights));
    }
    if (!end || *end > data_.size()) {
      return fail(fmt::format("tensor {}: {} bytes at offset {} go beyond the file's {} bytes",
                              tensor.name, *size, offsets[i], data_.size()));
    }
    tensor.data = data_.subspan(*begin, *size);
  }
  return check_overlaps(first_tensor);
}

// Tensors that lie over each other would let a small file ask for any amount of memory.
Status GgufParser::check_overlaps(std::size_t first_tensor) const {
  std::vector<const GgufTensor*> by_place;
  for (std::size_t i = first_tensor; i < into_.tensors_.size(); ++i) {
    if (!into_.tensors_[i].data.empty()) by_place.push_back(&into_.tensors_[i]);
  }
  const auto begin_of = [](const GgufTensor* tensor) { return tensor->data.data(); };
  std::ranges::sort(by_place, {}, begin_of);
  for (std::size_t i = 1; i < by_place.size(); ++i) {
    if (begin_of(by_place[i]) < begin_of(by_place[i - 1]) + by_place[i - 1]->data.size()) {
      return fail(
          fmt::format("tensor {} overlaps tensor {}", by_place[i]->name, by_place[i - 1]->name));
    }
  }
  return {};
}

}  // namespace hearth
