// Damage to what a running daemon keeps.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <fstream>
#include <string>

#include "cache/segment_format.hpp"

namespace hearth {

// Changes a byte of the first page that the daemon has filled, behind its back.
inline void damage_first_page(pid_t daemon) {
  std::ifstream maps("/proc/" + std::to_string(daemon) + "/maps");
  std::string path;
  for (std::string line; path.empty() && std::getline(maps, line);) {
    const std::size_t at = line.find("/dev/shm/hearth-");
    if (at != std::string::npos) path = line.substr(at);
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  ASSERT_TRUE(file) << path;
  cache::SuperBlock block;
  file.read(reinterpret_cast<char*>(&block), sizeof(block));
  const auto place = static_cast<std::streamoff>(block.data_offset) + 7;
  file.seekg(place);
  const int byte = file.get();
  file.seekp(place);
  file.put(static_cast<char>(byte ^ 1));
}

}  // namespace hearth
