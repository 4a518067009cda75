// Makes a GGUF file of a well-known shape with random weights, so that anyone can measure without a
// download.
//
//   make_model SHAPE TYPE OUT [--layers N] [--ctx N] [--seed S]
//
// Weights are Gaussian with the spread that keeps activations in range.  A pool of rows is rounded
// to the format once, and every matrix takes its rows from the pool: 5 GB are made in seconds.  The
// model has no vocabulary: token ids are its interface.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "kernels/quantize/quantize.hpp"
#include "tools/model_shapes.hpp"

namespace hearth {
namespace {

// Rows of one length in one format.
class RowPool {
 public:
  static constexpr std::size_t kRows = 64;

  RowPool(const TensorOfShape& tensor, std::mt19937_64& random) : row_bytes_(tensor.row_bytes()) {
    std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(tensor.dims[0])));
    std::vector<float> row(tensor.dims[0]);
    bytes_.resize(kRows * row_bytes_);
    for (std::size_t i = 0; i < kRows; ++i) {
      for (float& weight : row) weight = normal(random);
      kernels::quantize_row(tensor.format, row.data(), static_cast<std::int64_t>(row.size()),
                            bytes_.data() + i * row_bytes_);
    }
  }
  const unsigned char* any(std::mt19937_64& random) const {
    return bytes_.data() + random() % kRows * row_bytes_;
  }

 private:
  std::size_t row_bytes_;
  std::vector<unsigned char> bytes_;
};

// The file under another name until it is whole.
class Output {
 public:
  explicit Output(const std::string& path) : path_(path), temporary_(path + ".part") {
    file_ = std::fopen(temporary_.c_str(), "wb");
    good_ = file_ != nullptr;
    if (good_) std::setvbuf(file_, nullptr, _IOFBF, 1 << 22);
  }
  ~Output() {
    if (file_ != nullptr) std::fclose(file_);
    unlink(temporary_.c_str());
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(const void* bytes, std::size_t size) {
    good_ = good_ && std::fwrite(bytes, 1, size, file_) == size;
  }
  bool commit() {
    good_ = good_ && std::fclose(std::exchange(file_, nullptr)) == 0 &&
            std::rename(temporary_.c_str(), path_.c_str()) == 0;
    return good_;
  }

 private:
  std::string path_, temporary_;
  std::FILE* file_;
  bool good_;
};

void write_floats(const std::vector<float>& numbers, Output& out) {
  out.write(numbers.data(), numbers.size() * sizeof(float));
}

void write_own_rows(const TensorOfShape& tensor, std::mt19937_64& random, Output& out) {
  std::normal_distribution<float> normal(0, 1 / std::sqrt(static_cast<float>(tensor.dims[0])));
  std::vector<float> weights(tensor.numbers());
  for (float& weight : weights) weight = normal(random);
  write_floats(weights, out);
}

bool write_model(const ModelOfShape& shape, const QuantizeMix& mix, std::uint64_t seed,
                 const std::string& path) {
  const std::vector<TensorOfShape> tensors = tensors_of(shape, mix);
  Output out(path);
  const std::string head = header_of(shape, mix, tensors).bytes();
  out.write(head.data(), head.size());
  std::mt19937_64 random(seed);
  std::map<std::pair<kernels::WeightFormat, std::uint64_t>, RowPool> pools;
  const std::vector<char> zeros(64);
  for (const TensorOfShape& tensor : tensors) {
    switch (tensor.fill) {
      case Fill::ones: write_floats(std::vector<float>(tensor.numbers(), 1), out); break;
      case Fill::minus_one: write_floats(std::vector<float>(tensor.numbers(), -1), out); break;
      case Fill::own_rows: write_own_rows(tensor, random, out); break;
      case Fill::rows: {
        const RowPool& pool =
            pools.try_emplace({tensor.format, tensor.dims[0]}, tensor, random).first->second;
        for (std::uint64_t row = 0; row < tensor.rows(); ++row) {
          out.write(pool.any(random), tensor.row_bytes());
        }
      }
    }
    out.write(zeros.data(), GgufHeader::padding(tensor.rows() * tensor.row_bytes()));
  }
  return out.commit();
}

int main(int argc, char** argv) {
  CLI::App app("make_model writes a GGUF file of a well-known shape with random weights.",
               "make_model");
  std::string shapes, types;
  for (const ModelOfShape& shape : kModelShapes) shapes += std::string(" ") + shape.name;
  for (const std::string& name : QuantizeMix::names()) types += " " + name;
  app.footer("Shapes:" + shapes + "\nTypes:" + types +
             "\n\n  make_model llama-8b Q4_K_M /tmp/llama-8b.gguf");
  std::string shape_name, type, path;
  std::uint64_t seed = 1;
  std::uint32_t layers = 0, context = 0;
  app.add_option("SHAPE", shape_name, "a shape")->required()->type_name("");
  app.add_option("TYPE", type, "a format or a mix of formats")->required()->type_name("");
  app.add_option("OUT", path, "the new file")->required()->type_name("");
  app.add_option("--layers", layers, "so many layers instead of the shape's")->type_name("");
  app.add_option("--ctx", context, "so long a context instead of the shape's")->type_name("");
  app.add_option("--seed", seed, "of the weights [1]")->type_name("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "make_model: {}\n", error.what());
    return 2;
  }
  const auto mix = QuantizeMix::find(type);
  for (ModelOfShape shape : kModelShapes) {
    if (shape_name != shape.name || !mix) continue;
    if (layers != 0) shape.layers = layers;
    if (context != 0) shape.context = context;
    if (write_model(shape, *mix, seed, path)) return 0;
    std::perror(("make_model: " + path).c_str());
    return 1;
  }
  fmt::print(stderr, "make_model: {}; known are{}\n",
             mix ? "SHAPE: " + shape_name : "TYPE: " + type, mix ? shapes : types);
  return 2;
}

}  // namespace
}  // namespace hearth

int main(int argc, char** argv) {
  return hearth::main(argc, argv);
}
