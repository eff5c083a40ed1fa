// Published benchmark data and golden values of the official scorers: not part of the repository. FOVEA_BENCHMARKS (environment) names the folder that
// holds fox-demo/ and omnidocbench-demo/; tests that need it skip by name without.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace fovea::metrics {

inline std::string benchmark_folder(const std::string& name) {
  const char* root = std::getenv("FOVEA_BENCHMARKS");
  if (!root || !*root) return "";
  const std::string folder = std::string(root) + "/" + name;
  return std::filesystem::exists(folder) ? folder : "";
}

#define FOVEA_BENCHMARK_OR_SKIP(folder, name)          \
  const std::string folder = benchmark_folder(name); \
  if (folder.empty()) GTEST_SKIP() << name << " is not in the folder that FOVEA_BENCHMARKS names"

}  // namespace fovea::metrics
