// The numbers of one row to and from the planes of a panel: see layout.hpp.
//
// Words of four columns at a time: bits of neighbouring columns never meet.
#pragma once

#include <cstring>

#include "kernels/panels/row_block.hpp"

namespace hearth::kernels {
namespace {

inline std::uint32_t word_at(const unsigned char* p) {
  std::uint32_t word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}
inline void put_word(unsigned char* p, std::uint32_t word) {
  std::memcpy(p, &word, sizeof(word));
}

// Writes kBits of each of 32 numbers from bit `shift` on into a plane, of which row's words are 64
// bytes apart.
template <int kBits>
void write_plane(const std::uint8_t* q, int shift, unsigned char* plane, int row) {
  constexpr int kWords = 8 / kBits;  // that share a word of the plane
  constexpr std::uint32_t kMask = ((1u << kBits) - 1) * 0x01010101u;
  plane += 4 * row;
  for (int k = 0; k < kStepCols; k += 4 * kWords, plane += 4 * kGroupRows) {
    std::uint32_t word = 0;
    for (int g = 0; g < kWords; ++g) {
      word |= (word_at(q + k + 4 * g) >> shift & kMask) << (kBits * g);
    }
    put_word(plane, word);
  }
}

// Adds them to q again.
template <int kBits>
void read_plane(const unsigned char* plane, int row, int shift, std::uint8_t* q) {
  constexpr int kWords = 8 / kBits;
  constexpr std::uint32_t kMask = ((1u << kBits) - 1) * 0x01010101u;
  plane += 4 * row;
  for (int k = 0; k < kStepCols; k += 4 * kWords, plane += 4 * kGroupRows) {
    const std::uint32_t word = word_at(plane);
    for (int g = 0; g < kWords; ++g) {
      unsigned char* to = q + k + 4 * g;
      put_word(to, word_at(to) | (word >> (kBits * g) & kMask) << shift);
    }
  }
}

// Both planes of a step.
inline void write_step(const PanelSpec& spec, const std::uint8_t* q, unsigned char* step, int row) {
  switch (spec.low_bits) {
    case 8: write_plane<8>(q, 0, step, row); break;
    case 4: write_plane<4>(q, 0, step, row); break;
    default: write_plane<2>(q, 0, step, row); break;
  }
  unsigned char* high = step + plane_bytes(spec.low_bits);
  if (spec.high_bits == 2) write_plane<2>(q, spec.low_bits, high, row);
  if (spec.high_bits == 1) write_plane<1>(q, spec.low_bits, high, row);
}

inline void read_step(const PanelSpec& spec, const unsigned char* step, int row, std::uint8_t* q) {
  std::memset(q, 0, kStepCols);
  switch (spec.low_bits) {
    case 8: read_plane<8>(step, row, 0, q); break;
    case 4: read_plane<4>(step, row, 0, q); break;
    default: read_plane<2>(step, row, 0, q); break;
  }
  const unsigned char* high = step + plane_bytes(spec.low_bits);
  if (spec.high_bits == 2) read_plane<2>(high, row, spec.low_bits, q);
  if (spec.high_bits == 1) read_plane<1>(high, row, spec.low_bits, q);
}

}  // namespace
}  // namespace hearth::kernels
