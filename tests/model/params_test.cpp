// The module tree of presets::deepseek_ocr() against the published checkpoint's names and shapes, on the meta device.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "fovea/base/file.h"
#include "fovea/model/optical_model.h"

namespace fovea {
namespace {

// "N=1..11;E=0..63" or "N in {2,5}" -> values by letter
std::vector<std::pair<char, std::vector<int>>> ranges_of(const std::string& text) {
  std::vector<std::pair<char, std::vector<int>>> out;
  std::stringstream parts(text);
  std::string part;
  while (std::getline(parts, part, ';')) {
    if (part.empty()) continue;
    std::vector<int> values;
    int first = 0, last = 0;
    if (std::sscanf(part.c_str() + 1, "=%d..%d", &first, &last) == 2) {
      for (int v = first; v <= last; ++v) values.push_back(v);
    } else if (std::sscanf(part.c_str() + 1, "=%d", &first) == 1) {
      values.push_back(first);
    } else {
      std::stringstream list(part.substr(part.find('{') + 1));
      while (list >> first) {
        values.push_back(first);
        list.ignore(1);
      }
    }
    out.emplace_back(part[0], values);
  }
  return out;
}

std::vector<std::string> csv_fields(const std::string& line) {
  std::vector<std::string> out(1);
  bool quoted = false;
  for (char c : line) {
    if (c == '"') quoted = !quoted;
    else if (c == ',' && !quoted) out.emplace_back();
    else out.back() += c;
  }
  return out;
}

TEST(Params, DeepSeekOcrTreeEqualsTheCheckpoint) {
  std::map<std::string, std::string> expected;
  std::istringstream csv(read_file(std::string(FOVEA_SOURCE_DIR) + "/tests/data/deepseek_ocr_params.csv"));
  std::string line;
  std::getline(csv, line);
  while (std::getline(csv, line)) {
    const auto fields = csv_fields(line);
    if (fields.size() < 8 || fields[7].find("OPTIONAL") != std::string::npos) continue;
    std::vector<std::string> names = {fields[1]};
    for (const auto& [letter, values] : ranges_of(fields[2])) {
      std::vector<std::string> more;
      for (const auto& name : names)
        for (int value : values) {
          std::string filled = name;
          filled.replace(filled.find(std::string("{") + letter + "}"), 3, std::to_string(value));
          more.push_back(filled);
        }
      names = more;
    }
    EXPECT_EQ(names.size(), std::stoul(fields[3])) << fields[1];
    for (const auto& name : names) expected[name] = fields[4];
  }
  EXPECT_EQ(expected.size(), 2710u);

  const model::OpticalModel ocr(model::presets::deepseek_ocr(), nn::Factory{at::kMeta, at::kBFloat16});
  int64_t parameters = 0;
  std::map<std::string, std::string> found;
  for (const auto& [name, tensor] : model::published_tensors(ocr)) {
    std::string shape;
    for (int64_t s : tensor.sizes()) shape += (shape.empty() ? "" : "x") + std::to_string(s);
    EXPECT_TRUE(found.emplace(name, shape).second) << name << " twice";
    parameters += tensor.numel();
  }
  EXPECT_EQ(parameters, 3'336'106'240);
  for (const auto& [name, shape] : expected) EXPECT_EQ(found[name], shape) << name;
  for (const auto& [name, shape] : found) EXPECT_TRUE(expected.count(name)) << name << " is not in the checkpoint";
}

TEST(Params, ReaderTinyFitsItsBudgetInInt8) {
  const model::OpticalModel reader(model::presets::reader_tiny(), nn::Factory{at::kMeta, at::kFloat});
  int64_t bytes = 0;
  for (const auto& [name, tensor] : model::published_tensors(reader)) bytes += tensor.numel() + (tensor.dim() > 1 ? 4 * tensor.size(0) : tensor.numel());
  EXPECT_LE(bytes, 40 * 1024 * 1024);
}

}  // namespace
}  // namespace fovea
