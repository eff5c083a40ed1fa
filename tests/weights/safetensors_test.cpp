#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "fovea/base/file.h"
#include "fovea/weights/load.h"
#include "fovea/weights/safetensors.h"
#include "fovea/weights/quantize.h"
#include "fovea/weights/save.h"
#include "fovea/weights/store.h"

namespace fovea::weights {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kMiB = 1024 * 1024;

class Weights : public ::testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(1);
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / ("fovea_weights_" + std::to_string(::getpid()) + "_" + info->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string folder() const { return folder_.string(); }

  /// A file with this header text and so many bytes of data.
  std::string write_raw(const std::string& header, size_t data_size, uint64_t claimed_size = UINT64_MAX) const {
    if (claimed_size == UINT64_MAX) claimed_size = header.size();
    std::string bytes;
    for (int i = 0; i < 8; ++i) bytes += static_cast<char>(claimed_size >> (8 * i) & 0xFF);
    bytes += header + std::string(data_size, '\1');
    const std::string file = path("raw.safetensors");
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }
  /// The WeightsError of `action`.
  static std::string error_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const WeightsError& e) {
      return e.what();
    }
    return "no WeightsError";
  }
  std::string error_of_header(const std::string& header, size_t data_size) const {
    const std::string file = write_raw(header, data_size);
    return error_of([&] { SafetensorsFile{file}; });
  }

  fs::path folder_;
};

std::string entry_text(const std::string& name, const std::string& dtype, const std::string& shape, int begin, int end) {
  return std::string("\"") + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

torch::Tensor sample(torch::ScalarType dtype, at::IntArrayRef shape) {
  if (torch::isFloatingType(dtype)) return torch::randn(shape).to(dtype);
  if (dtype == torch::kBool) return torch::rand(shape) > 0.5;
  return torch::randint(0, 100, shape).to(dtype);
}

const torch::ScalarType kAllDtypes[] = {torch::kBFloat16, torch::kFloat16, torch::kFloat32, torch::kFloat64, torch::kInt64,
                                        torch::kInt32,    torch::kInt16,   torch::kInt8,    torch::kUInt8,   torch::kBool};

TEST_F(Weights, RoundTripInEveryDtype) {
  NamedTensors tensors;
  for (auto dtype : kAllDtypes) {
    const std::string name = safetensors_dtype_name(dtype);
    tensors.emplace_back(name + ".matrix", sample(dtype, {3, 5}));
    tensors.emplace_back(name + ".scalar", sample(dtype, {}));
    tensors.emplace_back(name + ".empty", sample(dtype, {0, 4}));
    tensors.emplace_back(name + ".strided", sample(dtype, {4, 6}).t());
  }
  const auto report = save_weights(folder(), tensors, {.metadata = {{"step", "12"}}});
  ASSERT_EQ(report.files.size(), 1u);
  EXPECT_EQ(report.files[0].name, "model.safetensors");
  EXPECT_EQ(report.num_bytes, int64_t(fs::file_size(path("model.safetensors"))));

  const SafetensorsFile file(path("model.safetensors"));
  EXPECT_EQ(file.entries().size(), tensors.size());
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.metadata().at("step"), "12");
  const WeightStore store(folder());
  NamedTensors targets;
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(file.entry(name).dtype, tensor.scalar_type());
    const auto stored = file.tensor(name);
    EXPECT_TRUE(stored.equal(tensor)) << name;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(stored.data_ptr()) % stored.element_size(), 0u) << name;
    targets.emplace_back(name, torch::zeros_like(tensor));
  }
  EXPECT_EQ(load_weights(targets, store).num_loaded, int64_t(tensors.size()));
  for (size_t i = 0; i < tensors.size(); ++i) EXPECT_TRUE(targets[i].second.equal(tensors[i].second)) << tensors[i].first;
}

TEST_F(Weights, TensorsOutliveTheFileAndDoNotWriteToIt) {
  const auto saved = torch::randn({8, 8});
  save_weights(folder(), {{"a", saved}});
  const std::string before = sha256_hex_of_file(path("model.safetensors"));
  torch::Tensor view;
  {
    const SafetensorsFile file(path("model.safetensors"));
    view = file.tensor("a");
    EXPECT_EQ(view.data_ptr(), file.tensor("a").data_ptr()) << "a copy was made";
  }
  EXPECT_TRUE(view.equal(saved));
  view.zero_();
  EXPECT_EQ(sha256_hex_of_file(path("model.safetensors")), before);
}

TEST_F(Weights, LoadingHoldsThemOnce) {
#ifdef __linux__
  const auto peak_kb = [] {
    std::ifstream status("/proc/self/status");
    std::string word;
    int64_t value = 0;
    while (status >> word)
      if (word == "VmHWM:" && status >> value) break;
    return value;
  };
  NamedTensors stored, targets;
  for (int i = 0; i < 24; ++i) stored.emplace_back(std::string(1, 't').append(std::to_string(i)), torch::full({1024, 2048}, double(i)).to(torch::kBFloat16));  // 4 MiB each
  stored.emplace_back("large", torch::arange(40 * 1024 * 1024).remainder(251).to(torch::kBFloat16).view({1024, -1}));                                          // 80 MiB, in parts
  save_weights(folder(), stored, {});
  const auto large = stored.back().second;
  stored.clear();
  if (!(std::ofstream("/proc/self/clear_refs") << "5" << std::flush)) GTEST_SKIP() << "the peak cannot be set back here";
  const int64_t before = peak_kb();
  for (int i = 0; i < 24; ++i) targets.emplace_back(std::string(1, 't').append(std::to_string(i)), torch::empty({1024, 2048}, torch::kBFloat16));
  targets.emplace_back("large", torch::empty_like(large));
  load_weights(targets, WeightStore(folder()));
  EXPECT_LT(peak_kb() - before, (176 + 48) * 1024) << "KiB for 176 MiB of weights";
  EXPECT_TRUE(targets.back().second.equal(large));
  for (int i = 0; i < 24; ++i) EXPECT_TRUE(targets[size_t(i)].second.eq(double(i)).all().item<bool>()) << i;
#else
  GTEST_SKIP() << "reads /proc";
#endif
}

TEST_F(Weights, ReleasedBytesComeBack) {
  save_weights(folder(), {{"a", torch::arange(100000)}, {"b", torch::arange(7)}}, {});
  const WeightStore store(folder());
  const auto a = store.tensor("a");
  store.release("a");
  store.release("b");
  EXPECT_TRUE(a.equal(torch::arange(100000)));
  EXPECT_TRUE(store.tensor("b").equal(torch::arange(7)));
  EXPECT_THROW(store.release("c"), WeightsError);
}

TEST_F(Weights, UnalignedDataIsCopied) {
  const std::string header = std::string("{") + entry_text("a", "U8", "[1]", 0, 1) + "," + entry_text("b", "F32", "[2]", 1, 9) + "}";
  const SafetensorsFile file(write_raw(header, 9));
  const auto b = file.tensor("b");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b.data_ptr()) % 4, 0u);
  EXPECT_EQ(b.view(torch::kInt32)[1].item<int>(), 0x01010101);
}

TEST_F(Weights, ShardsStayUnderTheLimitAndReplaceEarlierSaves) {
  NamedTensors tensors;
  for (int i = 0; i < 9; ++i) tensors.emplace_back("layers." + std::to_string(i) + ".weight", torch::randn({256, 300}));
  SaveOptions options{.max_shard_bytes = kMiB};
  const auto report = save_weights(folder(), tensors, options);
  EXPECT_EQ(report.files.size(), 4u);  // 307,200 bytes each, three a shard, and the index
  for (const auto& file : report.files) {
    EXPECT_LE(file.num_bytes, kMiB);
    EXPECT_EQ(file.num_bytes, int64_t(fs::file_size(path(file.name))));
  }
  EXPECT_TRUE(fs::exists(path("model-00001-of-00003.safetensors")));
  EXPECT_TRUE(fs::exists(path("model.safetensors.index.json")));
  EXPECT_EQ(report.num_tensor_bytes, 9 * 307200);
  const WeightStore store(folder());
  EXPECT_EQ(store.num_bytes(), 9 * 307200);
  for (const auto& [name, tensor] : tensors) EXPECT_TRUE(store.tensor(name).equal(tensor)) << name;

  options.max_shard_bytes = 2 * kMiB;
  save_weights(folder(), tensors, options);
  EXPECT_EQ(WeightStore(folder()).entries().size(), 9u);
  EXPECT_FALSE(fs::exists(path("model-00001-of-00003.safetensors")));
  save_weights(folder(), {{"only", torch::ones({2})}}, options);
  EXPECT_EQ(WeightStore(folder()).entries().size(), 1u);
  size_t count = 0;
  for (const auto& item : fs::directory_iterator(folder())) {
    EXPECT_EQ(item.path().filename(), "model.safetensors");
    ++count;
  }
  EXPECT_EQ(count, 1u);
}

TEST_F(Weights, SavingTwiceGivesTheSameBytes) {
  const NamedTensors tensors = {{"a", torch::randn({64, 64})}, {"b", torch::randn({7})}};
  for (auto quantize : {Quantize::kNone, Quantize::kInt8, Quantize::kInt6, Quantize::kInt4}) {
    save_weights(folder() + "/x", tensors, {.quantize = quantize});
    save_weights(folder() + "/y", tensors, {.quantize = quantize});
    EXPECT_EQ(read_file(path("x/model.safetensors")), read_file(path("y/model.safetensors")));
  }
}

TEST_F(Weights, DtypeIsConvertedBothWays) {
  const auto a = torch::randn({4, 4});
  const auto counts = torch::arange(3);
  for (auto dtype : {torch::kBFloat16, torch::kFloat16, torch::kFloat32}) {
    save_weights(folder(), {{"a", a}, {"counts", counts}}, {.dtype = dtype});
    const WeightStore store(folder());
    EXPECT_EQ(store.entry("a").dtype, dtype);
    EXPECT_EQ(store.entry("counts").dtype, torch::kInt64);
    const auto target = torch::zeros({4, 4}, torch::kFloat64);
    const auto target_counts = torch::zeros({3}, torch::kInt64);
    load_weights({{"a", target}, {"counts", target_counts}}, store);
    EXPECT_TRUE(target.equal(a.to(dtype).to(torch::kFloat64)));
    EXPECT_TRUE(target_counts.equal(counts));
  }
  EXPECT_THAT(error_of([&] { save_weights(folder(), {{"big", torch::full({2}, 1e6)}}, {.dtype = torch::kFloat16}); }),
              AllOf(HasSubstr("big"), HasSubstr("float16")));
}

TEST_F(Weights, ParametersThatNeedGradientsCanBeLoaded) {
  save_weights(folder(), {{"w", torch::ones({2, 2})}});
  const auto parameter = torch::zeros({2, 2}, torch::requires_grad());
  load_weights({{"w", parameter}}, WeightStore(folder()));
  EXPECT_TRUE(parameter.detach().equal(torch::ones({2, 2})));
  EXPECT_TRUE(parameter.requires_grad());
}

double relative_error(const torch::Tensor& a, const torch::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

Quantize in_bits(int64_t bits) { return bits == 8 ? Quantize::kInt8 : bits == 6 ? Quantize::kInt6 : Quantize::kInt4; }

TEST_F(Weights, QuantisedTensorsComeBackWithinTheirError) {
  const auto weight = torch::randn({96, 160}) * torch::logspace(-3, 1, 96).reshape({96, 1});
  const auto conv = torch::randn({8, 3, 4, 4});         // 48 elements a row: the last group of 4 or 6 bits is half full
  const auto odd = torch::randn({5, 7});                // fills no bytes
  const auto norm = torch::randn({160});                // one dimension
  const auto kept = torch::randn({6, 64});
  const auto zero = torch::zeros({3, 64});
  const NamedTensors tensors = {{"weight", weight}, {"conv", conv}, {"odd", odd},
                                {"norm", norm},     {"kept.table", kept}, {"zero", zero}};
  for (const int64_t bits : {8, 6, 4}) {
    const bool packed = bits < 8;
    const SaveOptions options{.quantize = in_bits(bits), .keep_names = {"kept.*"}};
    save_weights(folder(), tensors, options);
    const WeightStore store(folder());
    EXPECT_EQ(store.entry("weight").dtype, packed ? torch::kUInt8 : torch::kInt8);
    EXPECT_EQ(store.entry("odd").dtype, torch::kInt8);
    EXPECT_EQ(store.entry("norm").dtype, torch::kFloat32);
    EXPECT_EQ(store.entry("kept.table").dtype, torch::kFloat32);
    if (packed) {
      EXPECT_EQ(store.entry("weight").shape, (std::vector<int64_t>{96, 160 * bits / 8}));
      EXPECT_EQ(store.entry("weight.scale").shape, (std::vector<int64_t>{96, 5}));
      EXPECT_EQ(store.entry("conv.scale").shape, (std::vector<int64_t>{8, 2}));
    } else {
      EXPECT_EQ(store.entry("weight.scale").shape, (std::vector<int64_t>{96}));
    }
    NamedTensors targets;
    for (const auto& [name, tensor] : tensors) targets.emplace_back(name, torch::full_like(tensor, 9));
    const auto loaded = load_weights(targets, store);
    EXPECT_EQ(loaded.num_loaded, 6);
    EXPECT_EQ(loaded.num_dequantized, 4);
    // A normal row's rounding error: step / sqrt(12) of a step near 2.7 sigma / 127, or 2.2 sigma / 7.5 (31.5) a group of 32.
    const double bound = bits == 4 ? 0.10 : bits == 6 ? 0.025 : 0.008;
    EXPECT_LT(relative_error(targets[0].second, weight), bound);
    EXPECT_LT(relative_error(targets[1].second, conv), bound);
    EXPECT_LT(relative_error(targets[2].second, odd), 0.008);
    EXPECT_TRUE(targets[3].second.equal(norm));
    EXPECT_TRUE(targets[4].second.equal(kept));
    EXPECT_TRUE(targets[5].second.equal(zero));
    for (int64_t row = 0; row < 96; ++row)  // every row, small ones too
      EXPECT_LT(relative_error(targets[0].second[row], weight[row]), 1.5 * bound) << row;
    const auto report = quantization_report(tensors, options);
    EXPECT_EQ(report[0].bits, bits);
    EXPECT_EQ(report[3].bits, 0);
    EXPECT_NEAR(report[0].relative_error, relative_error(targets[0].second, weight), 1e-6);
    EXPECT_EQ(report[0].num_bytes_stored, packed ? 96 * 20 * bits + 96 * 5 * 2 : 96 * 160 + 96 * 4);
    EXPECT_EQ(report[3].relative_error, 0);
    EXPECT_EQ(report[5].relative_error, 0);
    RecordProperty("int" + std::to_string(bits), std::to_string(report[0].relative_error));
  }
}

TEST_F(Weights, GroupsOfAnyPowerOfTwo) {
  const auto wide = torch::randn({6, 384}), ragged = torch::randn({5, 7, 28}), narrow = torch::randn({4, 12});  // 196 columns: no multiple of a group
  for (const int64_t bits : {4, 6}) {
    for (const int64_t group : {32, 64, 128, 256, 65536}) {
      save_weights(folder(), {{"wide", wide}, {"ragged", ragged}, {"narrow", narrow}}, {.quantize = in_bits(bits), .group = group});
      const WeightStore store(folder());
      EXPECT_EQ(store.entry("wide.scale").shape, (std::vector<int64_t>{6, (384 + group - 1) / group}));
      EXPECT_EQ(store.entry("ragged.scale").shape, (std::vector<int64_t>{5, (196 + group - 1) / group}));
      EXPECT_EQ(store.entry("narrow.scale").shape, (std::vector<int64_t>{4, 1}));
      for (const auto& [name, original] : NamedTensors{{"wide", wide}, {"ragged", ragged}, {"narrow", narrow}}) {
        const auto back = torch::full_like(original, 9);
        load_weights({{name, back}}, store, {.allow_unexpected_prefix = {""}});
        EXPECT_LT(relative_error(back, original), bits == 4 ? 0.13 : 0.032) << name << " " << group;
        // Each row again by hand: the number of column c with the scale of group c / group.
        const auto packed = store.tensor(name), scale = store.tensor(name + ".scale").to(torch::kFloat32);
        const int64_t columns = original.numel() / original.size(0), last = columns - 1;
        for (const int64_t c : {int64_t(0), std::min(group, last), last}) {
          int64_t number = 0;
          for (int64_t k = 0; k < bits; ++k) number |= (packed[2][(bits * c + k) / 8].item<int64_t>() >> ((bits * c + k) % 8) & 1) << k;
          EXPECT_EQ(back.reshape({-1, columns})[2][c].item<float>(), float(number - (1 << (bits - 1))) * scale[2][c / group].item<float>()) << name << " " << group << " " << c;
        }
      }
    }
  }
  for (const int64_t group : {0, 16, 33, 131072})
    EXPECT_THROW(save_weights(folder(), {{"wide", wide}}, {.quantize = Quantize::kInt4, .group = group}), ConfigError) << group;
  // Scales that no group gives are refused.
  save_weights(folder(), {{"w", torch::zeros({2, 100}, torch::kUInt8)}, {"w.scale", torch::ones({2, 5}, torch::kFloat16)}});
  EXPECT_THAT(error_of([&] { load_weights({{"w", torch::zeros({2, 200})}}, WeightStore(folder())); }), HasSubstr("scale must be F16 or F32 [2, 7]"));
}

TEST_F(Weights, SomeTakeEightOrFourBitsAllTheSame) {
  for (const int64_t bits : {8, 6, 4}) {
    const NamedTensors tensors = {{"a.stem.weight", torch::randn({4, 32})}, {"b.weight", torch::randn({4, 32})}, {"c.weight", torch::randn({4, 32})}};
    const auto report = quantization_report(tensors, {.quantize = in_bits(bits), .eight_bit_names = {"*stem*"}, .four_bit_names = {"c.*", "*stem*"}});
    EXPECT_EQ(report[0].bits, 8);
    EXPECT_EQ(report[1].bits, bits);
    EXPECT_EQ(report[2].bits, bits == 6 ? 4 : bits);
    save_weights(folder(), tensors, {.quantize = in_bits(bits), .eight_bit_names = {"*stem*"}});
    EXPECT_EQ(WeightStore(folder()).entry("a.stem.weight").dtype, torch::kInt8);
    EXPECT_EQ(WeightStore(folder()).entry("b.weight").dtype, bits < 8 ? torch::kUInt8 : torch::kInt8);
  }
}

TEST_F(Weights, GroupFollowsFromTheNumberOfScales) {
  for (int64_t columns = 2; columns < 3000; columns += 2)
    for (int64_t group = 32; group <= 4096; group *= 2) {
      const int64_t found = group_of(columns, num_scales(columns, group));
      if (columns > group) EXPECT_EQ(found, group) << columns;
      else EXPECT_GE(found, columns);
    }
  EXPECT_EQ(group_of(200, 5), 0);
}

TEST_F(Weights, WhatIsRoundedAsStoredIsStoredWithoutError) {
  torch::manual_seed(4);
  auto mixed = torch::randn({40, 212}) * torch::logspace(-9, 3, 40).reshape({40, 1});  // from below float16's normal numbers
  mixed[7].zero_();
  mixed[8][3] = -1000;  // one value that takes the whole range
  for (const int64_t bits : {8, 6, 4})
    for (const int64_t group : {32, 128, 256}) {
      for (const auto& original : {mixed, torch::randn({9, 7}), torch::randn({3, 1})}) {
        const auto rounded = round_as_stored(original, bits, group);
        EXPECT_TRUE(rounded.equal(round_as_stored(rounded, bits, group))) << bits << " " << group;
        const SaveOptions options{.quantize = in_bits(bits), .group = group};
        save_weights(folder(), {{"w", rounded}}, options);
        const auto back = torch::full_like(rounded, 9);
        EXPECT_EQ(load_weights({{"w", back}}, WeightStore(folder())).num_dequantized, 1);
        EXPECT_TRUE(back.equal(rounded)) << bits << " " << group << " " << (back - rounded).abs().max();
      }
      const auto plain = torch::randn({64, 512});
      const double error = relative_error(round_as_stored(plain, bits, group), plain);
      EXPECT_LT(error, bits == 8 ? 0.01 : bits == 6 ? 0.03 : 0.12) << group;  // a step of 2.7 (group of 128) to 3.1 sigma / 8 (32), / sqrt(12)
      EXPECT_GT(error, bits == 8 ? 0.003 : bits == 6 ? 0.015 : 0.06) << group;
    }
}

TEST_F(Weights, QuantisedLayoutIsAsDocumented) {
  // Written by hand: row 0 holds -8 .. 7 twice in 4 bits, scale 0.5; row 1 scale -2.
  auto packed = torch::zeros({2, 16}, torch::kUInt8);
  for (int row = 0; row < 2; ++row)
    for (int j = 0; j < 16; ++j) packed[row][j] = (2 * j) % 16 | (2 * j + 1) % 16 << 4;
  save_weights(folder(), {{"four", packed},
                          {"four.scale", torch::tensor({{0.5}, {-2.0}}).to(torch::kFloat16)},
                          {"six", torch::tensor({{0x40, 0x20, 0x0c, 0xff, 0xef, 0xfb}}).to(torch::kUInt8)},  // 0, 1, 2, 3, then 63, 63, 62, 62 and their 32 less
                          {"six.scale", torch::tensor({{0.5}}).to(torch::kFloat16)},
                          {"eight", torch::tensor({{1, -127}, {3, 4}}).to(torch::kInt8)},
                          {"eight.scale", torch::tensor({0.25, 2.0}).to(torch::kFloat16)}});
  const auto four = torch::zeros({2, 32}, torch::kBFloat16), eight = torch::zeros({2, 2});
  const auto six = torch::zeros({1, 8});
  load_weights({{"four", four}, {"six", six}, {"eight", eight}}, WeightStore(folder()));
  EXPECT_TRUE(six.equal(torch::tensor({{-16.0, -15.5, -15.0, -14.5, 15.5, 15.5, 15.0, 15.0}}).to(torch::kFloat32)));
  const auto ramp = torch::cat({torch::arange(-8, 8), torch::arange(-8, 8)}).to(torch::kFloat32);
  EXPECT_TRUE(four.to(torch::kFloat32).equal(torch::stack({ramp * 0.5, ramp * -2})));
  EXPECT_TRUE(eight.equal(torch::tensor({{0.25, -31.75}, {6.0, 8.0}}, torch::kFloat32)));
}

TEST_F(Weights, QuantisingRefusesWhatItCannotHold) {
  auto bad = torch::randn({4, 32});
  bad[1][2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of([&] { save_weights(folder(), {{"bad", bad}}, {.quantize = Quantize::kInt8}); }), HasSubstr("bad"));
  EXPECT_THAT(error_of([&] { save_weights(folder(), {{"huge", torch::full({4, 32}, 1e9)}}, {.quantize = Quantize::kInt4}); }),
              HasSubstr("huge"));
  EXPECT_TRUE(fs::is_empty(folder_)) << "temporary files were left behind";
}

TEST_F(Weights, SaveRefusesDuplicatesAndUndefined) {
  const auto a = torch::ones({2, 2});
  EXPECT_THAT(error_of([&] { save_weights(folder(), {{"a", a}, {"a", a}}); }), HasSubstr("tensor a must be given once"));
  EXPECT_THAT(error_of([&] { save_weights(folder(), {{"a", a}, {"a.scale", a}}, {.quantize = Quantize::kInt8}); }),
              HasSubstr("a.scale"));
  EXPECT_THAT(error_of([&] { save_weights(folder(), {{"u", torch::Tensor()}}); }), HasSubstr("tensor u must be defined"));
  EXPECT_THAT(error_of([&] { save_weights(folder(), {{"c", torch::ones({2}, torch::kComplexFloat)}}); }), HasSubstr("tensor c"));
}

TEST_F(Weights, EveryProblemIsInOneMessageAndNothingIsWritten) {
  NamedTensors stored = {{"fits", torch::ones({2})},
                         {"wide", torch::ones({2, 3})},
                         {"whole", torch::ones({2}, torch::kInt64)},
                         {"eight", torch::ones({2}, torch::kInt8)},
                         {"model.vision_model.embeddings.position_ids", torch::arange(257)},
                         {"skipped", torch::ones({1})},
                         {"other.part", torch::ones({1})}};
  for (int i = 0; i < 25; ++i) stored.emplace_back("extra" + std::to_string(i), torch::ones({1}));
  save_weights(folder(), stored);
  const auto fits = torch::zeros({2}), wide = torch::zeros({3, 2});
  NamedTensors targets = {{"fits", fits},
                          {"wide", wide},
                          {"whole", torch::zeros({2})},
                          {"eight", torch::zeros({2})},
                          {"absent.one", torch::zeros({4, 5})},
                          {"absent.two", torch::zeros({1})}};
  const LoadOptions options{.ignore = {"skipped"}, .allow_unexpected_prefix = {"other."}};
  const WeightStore store(folder());
  const std::string message = error_of([&] { load_weights(targets, store, options); });
  EXPECT_THAT(message, AllOf(HasSubstr("2 missing, 25 unexpected, 3 of another shape or type"),
                             HasSubstr("absent.one [4, 5]"), HasSubstr("absent.two"),
                             HasSubstr("wide must be F32 [3, 2], got F32 [2, 3]"), HasSubstr("whole must be F32 [2], got I64 [2]"),
                             HasSubstr("eight"), HasSubstr("without its .scale"), HasSubstr("and 5 more")));
  EXPECT_THAT(message, AllOf(Not(HasSubstr("position_ids")), Not(HasSubstr("skipped")), Not(HasSubstr("other."))));
  EXPECT_TRUE(fits.equal(torch::zeros({2}))) << "written although the load failed";

  LoadOptions lenient = options;
  lenient.allow_unexpected_prefix = {"extra", "other.", "w", "eight"};
  const auto report = load_weights({{"fits", fits}}, store, lenient);
  EXPECT_EQ(report.left_over.size(), 29u);
  EXPECT_TRUE(fits.equal(torch::ones({2})));
}

TEST_F(Weights, QuantisedMisfitsAreReported) {
  save_weights(folder(), {{"a", torch::ones({4, 16}, torch::kUInt8)},
                          {"a.scale", torch::ones({4, 2}, torch::kFloat16)},
                          {"b", torch::ones({4, 16}, torch::kInt8)},
                          {"b.scale", torch::ones({4}, torch::kFloat64)},
                          {"c", torch::ones({4, 16}, torch::kUInt8)},
                          {"c.scale", torch::ones({4, 1}, torch::kFloat16)}});
  const NamedTensors targets = {{"a", torch::zeros({4, 32})}, {"b", torch::zeros({4, 16})}, {"c", torch::zeros({4, 31})}};
  EXPECT_THAT(error_of([&] { load_weights(targets, WeightStore(folder())); }),
              AllOf(HasSubstr("a scale must be F16 or F32 [4, 1], got F16 [4, 2]"),
                    HasSubstr("b scale must be F16 or F32 [4], got F64 [4]"), HasSubstr("c must be [4, 15] for [4, 31] in 4 bits or [4, 23] in 6")));
}

TEST_F(Weights, ATensorNamedScaleIsAnOrdinaryTarget) {
  save_weights(folder(), {{"layer.scale", torch::full({3}, 2.0)}, {"layer", torch::ones({3, 2})}});
  const auto scale = torch::zeros({3}), layer = torch::zeros({3, 2});
  load_weights({{"layer.scale", scale}, {"layer", layer}}, WeightStore(folder()));
  EXPECT_TRUE(scale.equal(torch::full({3}, 2.0)));
}

TEST_F(Weights, TruncatedAtEveryLength) {
  save_weights(folder(), {{"a", torch::ones({3, 4})}, {"b", torch::ones({5}, torch::kInt16)}});
  const std::string whole = read_file(path("model.safetensors"));
  for (size_t size = 0; size < whole.size(); ++size) {
    std::ofstream(path("cut.safetensors"), std::ios::binary) << whole.substr(0, size);
    const std::string message = error_of([&] { SafetensorsFile(path("cut.safetensors")); });
    ASSERT_THAT(message, HasSubstr("cut.safetensors")) << size;
  }
  std::ofstream(path("cut.safetensors"), std::ios::binary) << whole << 'x';
  EXPECT_THAT(error_of([&] { SafetensorsFile(path("cut.safetensors")); }), HasSubstr("must fill the file's"));
}

TEST_F(Weights, FlippedHeaderBytesNeverCrash) {
  save_weights(folder(), {{"a", torch::ones({3, 4})}, {"b", torch::ones({5}, torch::kInt16)}});
  const std::string whole = read_file(path("model.safetensors"));
  const size_t header_end = whole.size() - 58;
  for (size_t i = 0; i < header_end; ++i)
    for (char flip : {'\x01', '\x20', '\x7f'}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      const std::string file = path("flip.safetensors");
      std::ofstream(file, std::ios::binary) << bytes;
      try {
        const SafetensorsFile opened(file);
        for (const auto& entry : opened.entries()) opened.tensor(entry.name).sum();
      } catch (const WeightsError&) {
      }
    }
}

TEST_F(Weights, LyingHeaders) {
  const auto a = [](const std::string& dtype, const std::string& shape, int begin, int end) {
    return std::string("{") + entry_text("a", dtype, shape, begin, end) + "}";
  };
  EXPECT_EQ(error_of_header(a("F32", "[2, 2]", 0, 16), 16), "no WeightsError");
  EXPECT_THAT(error_of_header("", 0), HasSubstr("not JSON"));
  EXPECT_THAT(error_of_header("{\"a\":", 0), HasSubstr("not JSON"));
  EXPECT_THAT(error_of_header("\x93NUMPY", 0), HasSubstr("not JSON"));
  EXPECT_THAT(error_of_header("[]", 0), HasSubstr("must be a JSON object, got []"));
  EXPECT_THAT(error_of_header("{\"a\": 3}", 0), HasSubstr("tensor \"a\" must be an object, got 3"));
  EXPECT_THAT(error_of_header("{\"a\": {\"dtype\": \"F32\"}}", 0), HasSubstr("lacks \"shape\""));
  EXPECT_THAT(error_of_header(a("F31", "[2]", 0, 8), 8), AllOf(HasSubstr("tensor \"a\" dtype"), HasSubstr("got \"F31\"")));
  EXPECT_THAT(error_of_header(a("f32", "[2]", 0, 8), 8), HasSubstr("got \"f32\""));
  EXPECT_THAT(error_of_header(a("F32", "[-2]", 0, 8), 8), HasSubstr("got [-2]"));
  EXPECT_THAT(error_of_header(a("F32", "[2.0]", 0, 8), 8), HasSubstr("got [2.0]"));
  EXPECT_THAT(error_of_header(a("F32", "8", 0, 8), 8), HasSubstr("shape must be a list"));
  EXPECT_THAT(error_of_header(a("F32", "[3]", 0, 8), 8), HasSubstr("must span the 12 bytes of \"F32\" [3], got [0,8]"));
  EXPECT_THAT(error_of_header(a("F32", "[2]", 8, 0), 8), HasSubstr("backwards"));
  EXPECT_THAT(error_of_header(a("F32", "[4]", 0, 16), 8), AllOf(HasSubstr("tensor \"a\""), HasSubstr("got [0,16]")));
  EXPECT_THAT(error_of_header(a("F32", "[2]", -8, 0), 8), HasSubstr("must be two whole numbers"));
  EXPECT_THAT(error_of_header(a("F32", "[2]", 4, 12), 12), HasSubstr("a gap"));
  EXPECT_THAT(error_of_header(std::string("{") + entry_text("a", "F32", "[2]", 0, 8) + "," + entry_text("b", "F32", "[2]", 4, 12) + "}", 12),
              AllOf(HasSubstr("tensor \"b\""), HasSubstr("overlap")));
  EXPECT_THAT(error_of_header(std::string("{") + entry_text("a", "F32", "[2]", 0, 8) + "," + entry_text("b", "F32", "[2]", 0, 8) + "}", 8),
              HasSubstr("overlap"));
  EXPECT_THAT(error_of_header(std::string("{") + entry_text("a", "F32", "[1]", 0, 4) + "," + entry_text("a", "F32", "[1]", 4, 8) + "}", 8),
              HasSubstr("header names \"a\" twice"));
  EXPECT_THAT(error_of_header(R"({"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}})", 4), HasSubstr("\"dtype\" twice"));
  EXPECT_THAT(error_of_header("{}", 5), HasSubstr("must fill"));
  EXPECT_EQ(error_of_header("{}", 0), "no WeightsError");
  EXPECT_THAT(error_of_header(R"({"__metadata__": {"k": 1}})", 0), HasSubstr("must be a string"));
  EXPECT_THAT(error_of_header(R"({"__metadata__": "k"})", 0), HasSubstr("must be an object of strings"));
  EXPECT_THAT(error_of_header(std::string(100000, '['), 0), HasSubstr("not JSON"));
}

TEST_F(Weights, BigIntegers) {
  for (const char* shape : {"[9223372036854775808]", "[18446744073709551616]", "[4294967296, 4294967296]",
                            "[2305843009213693952, 8]", "[0, 9223372036854775807, 9223372036854775807]", "[1e30]"}) {
    EXPECT_THAT(error_of_header(std::string("{\"a\":{\"dtype\":\"F32\",\"shape\":") + shape + ",\"data_offsets\":[0,0]}}", 0),
                AllOf(HasSubstr("tensor \"a\" shape"), HasSubstr("raw.safetensors")))
        << shape;
  }
  for (const char* offsets : {"[0, 18446744073709551615]", "[0, 18446744073709551616]", "[18446744073709551612, 18446744073709551615]"})
    EXPECT_THAT(error_of_header(std::string("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":") + offsets + "}}", 4),
                HasSubstr("tensor \"a\" data_offsets"))
        << offsets;
  EXPECT_THAT(error_of([&] { SafetensorsFile(write_raw("{}", 0, 3)); }), HasSubstr("header length must fit"));
  EXPECT_THAT(error_of([&] { SafetensorsFile(write_raw("{}", 0, UINT64_MAX - 1)); }), HasSubstr("got 18446744073709551614"));
  EXPECT_THAT(error_of([&] { SafetensorsFile(write_raw("{}", 0, 99999999)); }), HasSubstr("must fit"));
}

TEST_F(Weights, WhatIsNotThere) {
  EXPECT_THROW(SafetensorsFile(path("none.safetensors")), IoError);
  EXPECT_THROW(SafetensorsFile{folder()}, IoError);
  EXPECT_THROW(WeightStore(path("none")), IoError);
  EXPECT_THROW(WeightStore{folder()}, IoError);
  std::ofstream(path("empty.safetensors")).flush();
  EXPECT_THAT(error_of([&] { WeightStore store(folder()); }), AllOf(HasSubstr("empty.safetensors"), HasSubstr("got 0")));
  fs::remove(path("empty.safetensors"));
  save_weights(folder(), {{"a", torch::ones({1})}});
  const WeightStore store(path("model.safetensors"));
  EXPECT_THAT(error_of([&] { store.tensor("nope"); }), HasSubstr("nope"));
  EXPECT_THAT(error_of([&] { SafetensorsFile(path("model.safetensors")).tensor("nope"); }), HasSubstr("nope"));
}

TEST_F(Weights, IndexesThatLie) {
  save_weights(folder() + "/one", {{"a", torch::ones({1})}});
  save_weights(folder() + "/two", {{"b", torch::ones({1})}});
  fs::copy_file(path("one/model.safetensors"), path("x.safetensors"));
  fs::copy_file(path("two/model.safetensors"), path("y.safetensors"));
  EXPECT_EQ(WeightStore(folder()).entries().size(), 2u);  // no index: all files
  const auto with_index = [&](const std::string& text) {
    std::ofstream(path("model.safetensors.index.json")) << text;
    return error_of([&] { WeightStore store(folder()); });
  };
  EXPECT_EQ(with_index(R"({"weight_map": {"a": "x.safetensors"}})"), "no WeightsError");
  EXPECT_THAT(with_index(R"({"weight_map": {"a": "x.safetensors", "c": "y.safetensors"}})"), HasSubstr("tensor c must be in y.safetensors"));
  EXPECT_THAT(with_index(R"({"weight_map": {"a": "y.safetensors", "b": "x.safetensors"}})"), HasSubstr("which lacks it"));
  EXPECT_THAT(with_index(R"({"weight_map": {"a": "z.safetensors"}})"), HasSubstr("z.safetensors"));
  EXPECT_THAT(with_index(R"({"weight_map": {"a": "../x.safetensors"}})"), HasSubstr("same folder"));
  EXPECT_THAT(with_index(R"({"weight_map": {"a": 7}})"), HasSubstr("same folder"));
  EXPECT_THAT(with_index("{}"), HasSubstr("weight_map"));
  EXPECT_THAT(with_index("{"), HasSubstr("not JSON"));
  fs::remove(path("model.safetensors.index.json"));
  fs::copy_file(path("x.safetensors"), path("again.safetensors"));
  EXPECT_THAT(error_of([&] { WeightStore store(folder()); }), HasSubstr("tensor a is in two files"));
}

/// Left behind for a check by other readers when FOVEA_KEEP_WEIGHTS names a folder.
TEST_F(Weights, WritesForOtherReaders) {
  const char* keep = std::getenv("FOVEA_KEEP_WEIGHTS");
  if (!keep) GTEST_SKIP() << "set FOVEA_KEEP_WEIGHTS to a folder to keep files there";
  NamedTensors tensors;
  for (auto dtype : kAllDtypes) tensors.emplace_back(safetensors_dtype_name(dtype), sample(dtype, {30, 5}));
  for (const auto quantize : {Quantize::kNone, Quantize::kInt8, Quantize::kInt4})
    save_weights(std::string(keep) + "/" + std::to_string(int(quantize)), tensors,
                 {.max_shard_bytes = 2000, .quantize = quantize, .metadata = {{"umlaut", "ä"}}});
}

}  // namespace
}  // namespace fovea::weights
