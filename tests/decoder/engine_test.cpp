// The engine: prompts of different lengths in one batch, coming and going, in pages that run short.
#include "fovea/decoder/engine.h"

#include <gmock/gmock.h>

#include <thread>

#include "fovea/base/error.h"
#include "support.h"

namespace fovea {
namespace {

using decoder::Engine;
using decoder::Generated;
using decoder::Request;
using ::testing::HasSubstr;
using test::random_decoder;

struct Case {
  at::Tensor prompt;
  decoder::GenerateConfig config;
};

// Prompts of many lengths, each with its own way of generating.
std::vector<Case> mixed_cases() {
  torch::manual_seed(3);
  std::vector<Case> out;
  for (int64_t length : {5, 33, 1, 64, 17, 32, 90, 5}) {
    decoder::GenerateConfig config{.max_new_tokens = 20 + length, .loop_min_repeats = 4, .loop_min_tokens = 12, .loop_retries = 0};
    const size_t i = out.size();
    if (i % 4 == 1) config.temperature = 0.9, config.top_p = 0.8, config.seed = int64_t(i);
    if (i % 4 == 2) config.ngram_size = 2, config.ngram_window = 30, config.ngram_exempt = {7};
    if (i % 4 == 3) config.ngram_size = 3, config.loop_min_repeats = 0;
    out.push_back({at::randn({length, 48}), config});
  }
  return out;
}

std::vector<Generated> run_all(decoder::DecoderImpl& decoder, const std::vector<Case>& cases, const decoder::EngineConfig& config, decoder::Occupancy* after = nullptr) {
  Engine engine(decoder, config);
  std::vector<Generated> out(cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    Request request;
    request.prompt = cases[i].prompt;
    request.config = cases[i].config;
    request.on_done = [&out, i](const Generated& result) { out[i] = result; };
    engine.submit(std::move(request));
  }
  while (!engine.idle()) engine.step();
  if (after) *after = engine.occupancy();
  return out;
}

void expect_same(const std::vector<Generated>& a, const std::vector<Generated>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(a[i].ids, b[i].ids);
    EXPECT_EQ(a[i].reason, b[i].reason);
    EXPECT_EQ(a[i].loop_period, b[i].loop_period);
    EXPECT_EQ(a[i].loop_begin, b[i].loop_begin);
    ASSERT_EQ(a[i].entropies.size(), a[i].ids.size());
    ASSERT_EQ(a[i].probabilities.size(), a[i].ids.size());
    for (size_t t = 0; t < std::min(a[i].ids.size(), b[i].ids.size()); ++t) {
      EXPECT_NEAR(a[i].probabilities[t], b[i].probabilities[t], 3e-4);
      EXPECT_NEAR(a[i].entropies[t], b[i].entropies[t], 2e-3);
    }
  }
}

class Engines : public testing::TestWithParam<bool> {  // packed: the 8-bit path
 protected:
  decoder::Decoder decoder(uint64_t seed = 7, int64_t eos_token_id = 1) {
    auto out = random_decoder({8, 2, 16, true, false}, seed, GetParam() ? 3 : 1, eos_token_id);  // else with mixtures of experts
    if (GetParam()) nn::pack_int8(*out);
    return out;
  }
};

TEST_P(Engines, CompanyChangesNothing) {
  auto d = decoder();
  const auto cases = mixed_cases();
  const auto together = run_all(*d, cases, {.block = 8});
  std::vector<Generated> alone;
  for (const auto& one : cases) alone.push_back(run_all(*d, {one}, {.block = 8}).front());
  expect_same(together, alone);
  expect_same(run_all(*d, cases, {.max_batch = 3, .block = 16, .prefill_positions = 40}), alone);
  size_t written = 0;
  for (const auto& one : alone) written += one.ids.size();
  EXPECT_GT(written, 100u);
}

TEST_P(Engines, TellsWhatItHolds) {
  const test::Threads use(1);  // a helper of the 8-bit path might come to the end before the first step is over
  auto d = decoder(7, /*eos_token_id=*/1000);
  Engine engine(*d, {.max_batch = 2, .cache_positions = 640, .block = 8});
  std::vector<int> done;
  const auto request = [&](int64_t length, int number) {
    Request r;
    r.prompt = at::randn({length, 48});
    r.config = {.max_new_tokens = 300, .loop_min_repeats = 0};
    r.on_done = [&done, number](const Generated&) { done.push_back(number); };
    return r;
  };
  EXPECT_TRUE(engine.idle());
  const auto free = engine.occupancy().blocks_free;
  EXPECT_EQ(engine.occupancy().blocks_total, 80);
  EXPECT_EQ(free, 80);
  std::vector<int64_t> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(engine.submit(request(20, i)));
  EXPECT_EQ(engine.occupancy().waiting, 4);
  engine.step();
  EXPECT_EQ(engine.occupancy().running, 2);
  EXPECT_EQ(engine.occupancy().waiting, 2);
  EXPECT_LT(engine.occupancy().blocks_free, 80);
  EXPECT_TRUE(engine.cancel(ids[1]));
  EXPECT_TRUE(engine.cancel(ids[3]));
  EXPECT_FALSE(engine.cancel(ids[3]));
  EXPECT_FALSE(engine.cancel(77));
  while (!engine.idle()) engine.step();
  EXPECT_THAT(done, testing::UnorderedElementsAre(0, 2));
  for (int i = 0; i < 20 && engine.occupancy().running > 0; ++i) engine.step();
  EXPECT_EQ(engine.occupancy().blocks_free, free);
  EXPECT_EQ(engine.occupancy().running, 0);
}

TEST_P(Engines, TakesRequestsWhileOthersAreWritten) {
  auto d = decoder();
  Engine engine(*d, {.max_batch = 4, .block = 8});
  std::vector<std::string> events;
  const auto request = [&](const std::string& name, int64_t tokens) {
    Request r;
    torch::manual_seed(5);
    r.prompt = at::randn({12, 48});
    r.config = {.max_new_tokens = tokens, .loop_min_repeats = 0};
    r.on_ids = [&events, name](const std::vector<int32_t>&) {
      if (events.empty() || events.back() != name) events.push_back(name);
    };
    r.on_done = [&events, name](const Generated&) { events.push_back(name + " done"); };
    return r;
  };
  engine.submit(request("long", 600));
  for (int i = 0; i < 3; ++i) engine.step();
  ASSERT_FALSE(engine.idle());
  engine.submit(request("short", 3));
  while (!engine.idle()) engine.step();
  const auto at = [&](const std::string& what) { return std::find(events.begin(), events.end(), what) - events.begin(); };
  EXPECT_LT(at("long"), at("short done"));
  EXPECT_LT(at("short done"), at("long done"));
}

TEST_P(Engines, RefusesWhatCanNeverFit) {
  auto d = decoder();
  Engine engine(*d, {.max_batch = 2, .cache_positions = 64, .block = 8});
  Request r;
  r.prompt = at::randn({40, 48});
  r.config = {.max_new_tokens = 30};
  try {
    engine.submit(r);
    FAIL() << "taken";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), HasSubstr("40 positions"));
    EXPECT_THAT(error.what(), HasSubstr("64 positions"));
  }
  r.prompt = at::randn({700, 48});
  EXPECT_THROW(engine.submit(r), ShapeError);
  r.prompt = at::randn({4, 47});
  EXPECT_THROW(engine.submit(r), ShapeError);
  r.prompt = at::randn({4, 48});
  r.config.temperature = -1;
  EXPECT_THROW(engine.submit(r), ConfigError);
  EXPECT_TRUE(engine.idle());
}

TEST_P(Engines, AThrowingCallbackLeavesTheOthersWhole) {
  auto d = decoder();
  Engine engine(*d, {.block = 8});
  int done = 0;
  for (int i = 0; i < 3; ++i) {
    Request r;
    r.prompt = at::randn({6 + i, 48});
    r.config = {.max_new_tokens = 10, .loop_min_repeats = 0};
    r.on_done = [&done, i](const Generated&) {
      ++done;
      if (i == 0) throw IoError("full");
    };
    engine.submit(std::move(r));
  }
  int thrown = 0;
  while (!engine.idle()) {
    try {
      engine.step();
    } catch (const IoError&) {
      ++thrown;
    }
  }
  EXPECT_EQ(thrown, 1);
  EXPECT_EQ(done, 3);
}

TEST_P(Engines, RequestsComeFromOtherThreads) {
  auto d = decoder();
  Engine engine(*d, {.max_batch = 8, .block = 8});
  std::atomic<int> done{0}, submitted{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c)
    clients.emplace_back([&, c] {
      for (int i = 0; i < 5; ++i) {
        Request r;
        r.prompt = at::randn({4 + c, 48});
        r.config = {.max_new_tokens = 15, .loop_min_repeats = 0};
        r.on_done = [&](const Generated&) { ++done; };
        const int64_t id = engine.submit(std::move(r));
        if (i == 4) engine.cancel(id);
        ++submitted;
      }
    });
  while (submitted < 15 || !engine.idle()) engine.step();
  for (auto& client : clients) client.join();
  EXPECT_GE(done, 12);
  EXPECT_LE(done, 15);
}

INSTANTIATE_TEST_SUITE_P(Paths, Engines, testing::Bool(), [](const auto& info) { return info.param ? "Packed" : "Pages"; });

// Sequences that are thrown out when pages run short come to the same text.
TEST(Engine, PagesThatRunShort) {
  auto d = random_decoder({6, 3, 16, false, true}, 5, 1, /*eos_token_id=*/1000);  // which never comes
  d->to(at::kDouble);  // reading again rounds otherwise than writing does
  std::vector<Case> cases;
  for (int64_t length : {10, 20, 30, 7, 25, 12}) cases.push_back({at::randn({length, 48}, at::kDouble), {.max_new_tokens = 70, .loop_min_repeats = 0}});
  cases[2].config.temperature = 1.1;
  decoder::Occupancy roomy, tight;
  const auto expected = run_all(*d, cases, {.block = 8}, &roomy);
  const auto found = run_all(*d, cases, {.cache_positions = 160, .block = 8}, &tight);
  EXPECT_EQ(roomy.evictions, 0);
  EXPECT_GT(tight.evictions, 0);
  EXPECT_EQ(tight.blocks_free, tight.blocks_total);
  expect_same(found, expected);
}

// Against the plain forward over the whole text, in every type a CPU has.
TEST(Engine, StepsEqualTheWholeForward) {
  torch::NoGradGuard no_grad;
  for (auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    auto d = random_decoder({6, 2, 16, true, true}, 11, dtype == at::kBFloat16 ? 3 : 1, /*eos_token_id=*/1000);  // 16 bits would choose other experts now and then
    d->to(dtype);
    const auto prompt = at::randn({19, 48}).to(dtype);
    const auto out = run_all(*d, {{prompt, {.max_new_tokens = 30, .loop_min_repeats = 0}}}, {.block = 8}).front();
    ASSERT_GT(out.ids.size(), 10u);
    const std::vector<int64_t> ids(out.ids.begin(), out.ids.end());
    const auto inputs = at::cat({prompt.unsqueeze(0), d->embed(at::tensor(ids, at::kLong).unsqueeze(0))}, 1);
    const auto logs = at::log_softmax(d->logits(d->forward(inputs))[0].to(at::kFloat), -1);
    double gap = 0, entropy_gap = 0;
    for (size_t t = 0; t < ids.size(); ++t) {
      const auto row = logs[18 + int64_t(t)];
      gap += std::abs(out.probabilities[t] - row[ids[t]].exp().item<float>()) / double(ids.size());
      entropy_gap += std::abs(out.entropies[t] + (row.exp() * row).sum().item<float>()) / double(ids.size());
    }
    EXPECT_LT(gap, dtype == at::kBFloat16 ? 0.03 : dtype == at::kFloat ? 3e-5 : 1e-6) << dtype;
    EXPECT_LT(entropy_gap, dtype == at::kBFloat16 ? 0.1 : dtype == at::kFloat ? 2e-4 : 1e-5) << dtype;
  }
}

TEST(Engine, SaysWhereALoopBegan) {
  auto d = random_decoder({6, 3, 16, false, true}, 5, 3);
  const decoder::GenerateConfig config{.max_new_tokens = 400, .loop_min_repeats = 4, .loop_max_period = 40, .loop_min_tokens = 10, .loop_retries = 0};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    torch::manual_seed(seed);
    const auto prompt = at::randn({8, 48});
    const auto looped = run_all(*d, {{prompt, config}}, {}).front();
    if (looped.reason != decoder::StopReason::kLoop) continue;
    auto endless = config;
    endless.loop_min_repeats = 0;
    const auto whole = run_all(*d, {{prompt, endless}}, {}).front();
    EXPECT_GE(looped.loop_repeats, 4);
    EXPECT_EQ(looped.loop_begin + looped.loop_period, int64_t(looped.ids.size()));
    for (int64_t i = looped.loop_begin; i < looped.loop_begin + looped.loop_repeats * looped.loop_period; ++i)
      EXPECT_EQ(whole.ids[size_t(i)], looped.ids[size_t(looped.loop_begin + (i - looped.loop_begin) % looped.loop_period)]);
    if (looped.loop_begin > 0) {  // and no earlier
      EXPECT_NE(whole.ids[size_t(looped.loop_begin - 1)], whole.ids[size_t(looped.loop_begin + looped.loop_period - 1)]);
    }
    return;
  }
  FAIL() << "no text looped";
}

// With retries a loop is taken back to its first copy, which another id follows; cache and text agree from there on: every id is the likeliest after all before it.
TEST(Engine, LeavesALoopByAnotherId) {
  torch::NoGradGuard no_grad;
  for (const bool packed : {false, true}) {
    auto d = random_decoder({6, 3, 16, false, true}, 5, 3, /*eos_token_id=*/1000);
    if (packed) nn::pack_int8(*d);
    else d->to(at::kDouble);
    const auto dtype = packed ? at::kFloat : at::kDouble;
    const decoder::GenerateConfig stops{.max_new_tokens = 100, .loop_min_repeats = 4, .loop_max_period = 40, .loop_min_tokens = 10, .loop_retries = 0};
    auto goes_on = stops;
    goes_on.loop_retries = 3;
    torch::manual_seed(10);  // loops after five ids
    const auto prompt = at::randn({8, 48}).to(dtype), company = at::randn({11, 48}).to(dtype);
    const auto looped = run_all(*d, {{prompt, stops}}, {.block = 8}).front();
    ASSERT_EQ(looped.reason, decoder::StopReason::kLoop);
    const auto left = run_all(*d, {{prompt, goes_on}, {company, goes_on}}, {.block = 8}).front();
    ASSERT_GE(left.loops_left, 1);
    ASSERT_LE(left.loops_left, 3);
    const size_t n = looped.ids.size();
    ASSERT_GT(left.ids.size(), n);
    ASSERT_EQ(left.probabilities.size(), left.ids.size());
    const std::vector<int64_t> ids(left.ids.begin(), left.ids.end());
    const auto inputs = at::cat({prompt.unsqueeze(0), d->embed(at::tensor(ids, at::kLong).unsqueeze(0))}, 1);
    const auto p = at::softmax(d->logits(d->forward(inputs))[0].to(at::kDouble), -1);
    int not_likeliest = 0;
    for (size_t t = 0; t < ids.size(); ++t) {
      const auto row = p[7 + int64_t(t)];
      if (row.argmax().item<int64_t>() != ids[t] && row.max().item<double>() - row[ids[t]].item<double>() > (packed ? 1e-2 : 1e-9)) ++not_likeliest;
      if (row.argmax().item<int64_t>() == ids[t]) EXPECT_NEAR(left.probabilities[t], row[ids[t]].item<double>(), packed ? 2e-2 : 1e-5) << t;
    }
    EXPECT_LE(not_likeliest, left.loops_left);
    if (std::equal(looped.ids.begin(), looped.ids.end(), left.ids.begin())) EXPECT_NE(left.ids[n], looped.ids[size_t(looped.loop_begin)]);
  }
}

TEST(Engine, JoinedWeightsAreTheSame) {
  torch::NoGradGuard no_grad;
  auto d = random_decoder({6, 2, 16, true, true}, 3, 1);
  const auto x = at::randn({2, 9, 48});
  const auto before = d->forward(x);
  std::vector<at::Tensor> weights;
  for (const auto& p : d->parameters()) weights.push_back(p.clone());
  decoder::join_weights(*d);
  EXPECT_TRUE(at::allclose(d->forward(x), before, 1e-5, 1e-6));
  const auto after = d->parameters();
  for (size_t i = 0; i < weights.size(); ++i) EXPECT_TRUE(after[i].equal(weights[i]));
  d->to(at::kDouble);  // moved: the joined ones are not used any more
  EXPECT_TRUE(at::allclose(d->forward(x.to(at::kDouble)).to(at::kFloat), before, 1e-4, 1e-5));
}

}  // namespace
}  // namespace fovea
