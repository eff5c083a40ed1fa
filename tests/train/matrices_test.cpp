// optimizer.matrices: AdamW in Muon's place is AdamW, against LibTorch's own.
#include <gtest/gtest.h>

#include "fovea/base/config.h"
#include "fovea/train/optimizer.h"

namespace fovea {
namespace {

TEST(Matrices, AdamWTrainsAllOfThemIfAsked) {
  torch::manual_seed(8);
  const at::Tensor start = at::randn({6, 10}), gain = at::randn({10});
  train::OptimizerConfig config;
  config.matrices = "adamw";
  config.clip_norm = 0;
  std::vector<std::pair<std::string, at::Tensor>> parameters = {{"model.a.weight", start.clone()}, {"model.norm.weight", gain.clone()}};
  train::FlatOptimizer optimizer(parameters, config, at::kFloat);
  auto a = start.clone().set_requires_grad(true), b = gain.clone().set_requires_grad(true);
  torch::optim::AdamW reference({a, b}, torch::optim::AdamWOptions(0.01).betas({config.adam_beta1, config.adam_beta2}).eps(config.adam_eps).weight_decay(0));
  for (int step = 0; step < 5; ++step) {
    const auto ga = at::randn({6, 10}), gb = at::randn({10});
    parameters[0].second.mutable_grad().copy_(ga);
    parameters[1].second.mutable_grad().copy_(gb);
    optimizer.step(0.01, [](at::Tensor&) {}, 1);
    a.mutable_grad() = ga;
    b.mutable_grad() = gb;
    reference.step();
  }
  EXPECT_TRUE(at::allclose(parameters[0].second.detach(), a.detach(), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(parameters[1].second.detach(), b.detach(), 1e-5, 1e-6));

  // Muon is another step, of matrices alone.
  config.matrices = "muon";
  std::vector<std::pair<std::string, at::Tensor>> others = {{"model.a.weight", start.clone()}, {"model.norm.weight", gain.clone()}};
  train::FlatOptimizer muon(others, config, at::kFloat);
  others[0].second.mutable_grad().copy_(at::ones({6, 10}));
  muon.step(0.01, [](at::Tensor&) {}, 1);
  EXPECT_GT((others[0].second.detach() - start).abs().max().item<double>(), 1e-4);
  config.matrices = "sgd";
  EXPECT_THROW(validate_fields(config, "optimizer"), ConfigError);
}

}  // namespace
}  // namespace fovea
