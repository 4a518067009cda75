// A model loaded for the executor alone, with pages of plain memory: no cache, no scheduler.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/executor.hpp"
#include "engine/layer_table.hpp"
#include "files/gguf.hpp"
#include "files/quantizer.hpp"
#include "kernels/cpu_features.hpp"
#include "kernels/variants.hpp"

namespace hearth {

class ForwardModel {
 public:
  ForwardModel(const std::string& path, const kernels::KernelSet& kernels, WorkerPool* pool,
               kernels::KvFormat kv_format = kernels::KvFormat::f32,
               const std::function<void(LayerTable&)>& change = nullptr) {
    auto file = GgufFile::open(path);
    if (!file) throw std::runtime_error(file.error().message);
    auto architecture = find_architecture(*file);
    if (!architecture) throw std::runtime_error(architecture.error().message);
    auto loader = WeightLoader::create(*file, nullptr);
    auto table = (*architecture)->build(*loader, {});
    if (!table) throw std::runtime_error(table.error().message);
    table_ = std::make_unique<LayerTable>(*std::move(table));
    if (change) change(*table_);
    weights_ = *loader->finish();
    executor_ = std::make_unique<Executor>(table_.get(), compile_plan(*table_, kv_format, 32), pool,
                                           kernels, Executor::Limits{96, 96});
  }

  // Pages of 32 tokens for one sequence, and its state.
  struct Pages {
    std::vector<std::vector<std::byte>> memory;
    std::vector<std::byte*> payloads;
    AlignedBuffer<float> state;
  };
  Pages make_pages(std::size_t count = 8) const {
    Pages pages;
    for (std::size_t i = 0; i < count; ++i) {
      pages.memory.emplace_back(static_cast<std::size_t>(executor_->kv().page_bytes));
      pages.payloads.push_back(pages.memory.back().data());
    }
    pages.state = AlignedBuffer<float>(static_cast<std::size_t>(executor_->state_floats()));
    return pages;
  }

  // Logits of every token, computed in chunks of these sizes (the last one repeats).
  std::vector<float> logits(const std::vector<TokenId>& tokens, const std::vector<int>& chunks,
                            RowRole role = RowRole::prompt) {
    Pages pages = make_pages();
    std::vector<float> all;
    std::size_t chunk = 0;
    for (std::size_t begin = 0; begin < tokens.size();) {
      const auto size = static_cast<std::size_t>(chunks[std::min(chunk++, chunks.size() - 1)]);
      std::vector<BatchRow> rows;
      for (std::size_t i = begin; i < std::min(begin + size, tokens.size()); ++i) {
        rows.push_back({tokens[i], static_cast<std::int32_t>(i), pages.payloads.data(),
                        RowOutput::logits, role, pages.state.data()});
      }
      EXPECT_TRUE(executor_->forward(rows));
      for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto row = executor_->logits(static_cast<std::int64_t>(i));
        all.insert(all.end(), row.begin(), row.end());
      }
      begin += rows.size();
    }
    return all;
  }

  Executor& executor() { return *executor_; }
  const LayerTable& table() const { return *table_; }

 private:
  std::unique_ptr<LayerTable> table_;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<Executor> executor_;
};

// A model file in another mix of formats.
inline void convert_model(const std::string& from, const char* mix, const std::string& to) {
  const auto file = GgufFile::open(from);
  ASSERT_TRUE(file);
  std::ofstream out(to, std::ios::binary);
  ASSERT_TRUE(quantize_file(*file, *QuantizeMix::find(mix), 2,
                            {[&](std::span<const std::byte> part) {
                               out.write(reinterpret_cast<const char*>(part.data()),
                                         static_cast<std::streamsize>(part.size()));
                               return Status();
                             },
                             nullptr}));
}

// The best kernels for this CPU.
inline kernels::KernelSet best_kernels() {
  (void)kernels::enable_amx();
  return kernels::select_kernels(kernels::cpu_features());
}

// Those of every tier that this CPU can run, weakest first.
inline std::vector<kernels::KernelSet> native_kernels() {
  (void)kernels::enable_amx();
  std::vector<kernels::KernelSet> sets;
  for (const kernels::Tier& tier : kernels::tiers()) {
    if ((tier.needs & kernels::cpu_features()) != tier.needs) continue;
    sets.insert(sets.begin(), kernels::select_kernels(tier.needs));
  }
  return sets;
}

// What matrix units do with rows of prompts, emulated; the rest as this CPU does it.
inline kernels::KernelSet emulated_amx_kernels() {
  kernels::KernelSet set = best_kernels();
  set.tier = "amx_emulated";
  set.prompt_takes_splits = true;
#define HEARTH_SET_(format, type, name, number, weights, bytes)                \
  set.linear_prompt[static_cast<std::size_t>(kernels::WeightFormat::format)] = \
      kernels::linear_prompt_##format##_amx_emulated;
  HEARTH_WEIGHT_FORMATS(HEARTH_SET_)
#undef HEARTH_SET_
#define HEARTH_SET_(format, type, elements, bytes)                            \
  set.attention_prompt[static_cast<std::size_t>(kernels::KvFormat::format)] = \
      kernels::attention_prompt_##format##_amx_emulated;
  HEARTH_SHORT_KV_FORMATS(HEARTH_SET_)
#undef HEARTH_SET_
  return set;
}

inline std::vector<kernels::KernelSet> all_kernels() {
  std::vector<kernels::KernelSet> sets = native_kernels();
  sets.push_back(emulated_amx_kernels());
  return sets;
}

}  // namespace hearth
