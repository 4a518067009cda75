// Dicts: entries in the order of insertion, and a table of places once there are more than a few.
//
// Keys may be made to collide.  Every place looked at is a step, so that this ends in an error.
#include <bit>
#include <cmath>
#include <functional>

#include "engine/chat/jinja/run.hpp"

namespace hearth::jinja {
namespace {

constexpr std::uint32_t kSmall = 8;  // entries that are searched one by one

std::size_t mix(std::size_t seed, std::size_t value) {
  return (seed ^ value) * 0x9E3779B97F4A7C15ull;
}

// Equal keys have equal hashes: 1, 1.0 and true are one key.
std::size_t hash_of(Run& run, const Value& key) {
  switch (key.kind) {
    case Kind::text:
      run.charge_bytes(key.text->size);
      return std::hash<std::string_view>()(key.text->view());
    case Kind::boolean: return mix(1, key.boolean ? 1 : 0);
    case Kind::integer: return mix(1, static_cast<std::size_t>(key.integer));
    case Kind::real:
      if (key.real >= -0x1p63 && key.real < 0x1p63 && std::trunc(key.real) == key.real) {
        return mix(1, static_cast<std::size_t>(static_cast<std::int64_t>(key.real)));
      }
      return std::hash<double>()(key.real);
    case Kind::sequence: {
      const Deeper deeper(run);
      run.charge(key.sequence->size);
      std::size_t hash = 2;
      for (const Value& item : key.sequence->span()) hash = mix(hash, hash_of(run, item)) + 1;
      return hash;
    }
    default: return mix(3, static_cast<std::size_t>(key.kind));
  }
}

bool is_key(Run& run, const Dict::Entry& entry, const Value& key, std::size_t hash) {
  return entry.hash == hash && equal(run, entry.key, key);
}

// The place of the key, or the empty one where it would go.
std::uint32_t find_place(Run& run, const Dict& dict, const Value& key, std::size_t hash) {
  const std::uint32_t mask = dict.place_count - 1;
  auto place = static_cast<std::uint32_t>(mix(hash, hash >> 32) >> 32) & mask;
  while (dict.places[place] != 0 && !is_key(run, dict.entries[dict.places[place] - 1], key, hash)) {
    run.charge(1);
    place = (place + 1) & mask;
  }
  return place;
}

Dict::Entry* find_entry(Run& run, const Dict& dict, const Value& key, std::size_t hash) {
  if (dict.place_count != 0) {
    const std::uint32_t found = dict.places[find_place(run, dict, key, hash)];
    return found == 0 ? nullptr : &dict.entries[found - 1];
  }
  for (std::uint32_t i = 0; i < dict.size; ++i) {
    if (is_key(run, dict.entries[i], key, hash)) return &dict.entries[i];
  }
  return nullptr;
}

// Entries are distinct: an empty place is all that is looked for.
void rebuild_places(Run& run, Dict& dict) {
  run.charge(dict.place_count + dict.size);
  std::fill(dict.places, dict.places + dict.place_count, 0);
  const std::uint32_t mask = dict.place_count - 1;
  for (std::uint32_t i = 0; i < dict.size; ++i) {
    const std::size_t hash = dict.entries[i].hash;
    auto place = static_cast<std::uint32_t>(mix(hash, hash >> 32) >> 32) & mask;
    while (dict.places[place] != 0) {
      run.charge(1);
      place = (place + 1) & mask;
    }
    dict.places[place] = i + 1;
  }
}

void grow(Run& run, Dict& dict) {
  if (dict.size >= run.limits.list_items) {
    fail_limit(fmt::format("a dict has more than {} keys", run.limits.list_items));
  }
  dict.capacity = std::min(std::max(4u, dict.capacity * 2), run.limits.list_items);
  auto* entries = run.heap.array<Dict::Entry>(dict.capacity);
  std::copy(dict.entries, dict.entries + dict.size, entries);
  run.charge(dict.size);
  dict.entries = entries;
  if (dict.capacity <= kSmall) return;
  dict.place_count = std::bit_ceil(dict.capacity * 2);
  dict.places = run.heap.array<std::uint32_t>(dict.place_count);
  rebuild_places(run, dict);
}

}  // namespace

bool is_hashable(const Value& value) {
  if (value.is(Kind::dict)) return false;
  if (!value.is(Kind::sequence)) return true;
  // Tuples cannot hold themselves, but may be deep: hash_of() counts.
  if (value.sequence->kind != SequenceKind::tuple) return false;
  return std::ranges::none_of(value.sequence->span(), [](const Value& item) {
    return item.is(Kind::dict) ||
           (item.is(Kind::sequence) && item.sequence->kind != SequenceKind::tuple);
  });
}

const Value* find(Run& run, const Dict& dict, const Value& key) {
  if (dict.size == 0) return nullptr;
  const Dict::Entry* found = find_entry(run, dict, key, hash_of(run, key));
  return found == nullptr ? nullptr : &found->value;
}

void set(Run& run, Dict& dict, const Value& key, const Value& value) {
  const std::size_t hash = hash_of(run, key);
  if (Dict::Entry* found = find_entry(run, dict, key, hash)) {
    found->value = value;
    return;
  }
  if (dict.size == dict.capacity) grow(run, dict);
  dict.entries[dict.size++] = {key, value, hash};
  if (dict.place_count != 0) dict.places[find_place(run, dict, key, hash)] = dict.size;
}

bool erase(Run& run, Dict& dict, const Value& key) {
  Dict::Entry* found = find_entry(run, dict, key, hash_of(run, key));
  if (found == nullptr) return false;
  run.charge(dict.size);
  std::copy(found + 1, dict.entries + dict.size, found);
  --dict.size;
  if (dict.place_count != 0) rebuild_places(run, dict);
  return true;
}

}  // namespace hearth::jinja
