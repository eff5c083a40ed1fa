#include "train_trace.h"

#include <torch/csrc/autograd/profiler_kineto.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include "fovea/base/error.h"

namespace fovea::bench {
namespace {

namespace profiler = torch::autograd::profiler;
namespace impl = torch::profiler::impl;
using Clock = std::chrono::steady_clock;

struct Total {
  double ms = 0;
  int64_t count = 0;
};
using Totals = std::map<std::string, Total>;

Json list_of(const Totals& totals, size_t longest, double per) {
  std::vector<std::pair<std::string, Total>> sorted(totals.begin(), totals.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second.ms > b.second.ms; });
  Json out = Json::array();
  for (size_t i = 0; i < std::min(longest, sorted.size()); ++i)
    out.push_back({sorted[i].first.substr(0, 160), sorted[i].second.ms / per, double(sorted[i].second.count) / per});
  return out;
}

std::string with_shapes(const profiler::KinetoEvent& e) {
  std::string out = e.name();
  for (const auto& shape : e.shapes()) {
    if (shape.empty()) continue;
    for (size_t i = 0; i < shape.size(); ++i) out.append(i ? "," : " [").append(std::to_string(shape[i]));
    out += "]";
  }
  return out;
}

bool begins(const std::string& name, const char* prefix) { return name.rfind(prefix, 0) == 0; }

Json summary_of(const profiler::ProfilerResult& result, const std::string& how, double wall_ms, int calls, size_t longest) {
  const double per = double(calls);
  Totals kernels, host, gpu_of_op;
  std::vector<std::pair<uint64_t, uint64_t>> busy;  // on the GPU
  std::map<uint64_t, const profiler::KinetoEvent*> by_id;
  std::map<uint64_t, std::vector<const profiler::KinetoEvent*>> by_thread;
  int64_t launches = 0, ops = 0;
  for (const auto& e : result.events()) {
    if (e.deviceType() != c10::DeviceType::CPU) continue;
    const std::string name = e.name();
    if (begins(name, "cudaLaunch") || begins(name, "cuLaunch") || begins(name, "cudaGraphLaunch") || begins(name, "cudaMemcpyAsync") || begins(name, "cudaMemsetAsync")) launches += 1;
    else if (!begins(name, "cuda") && !begins(name, "cu")) ops += 1, by_id.emplace(e.correlationId(), &e);
    by_thread[e.startThreadId()].push_back(&e);
  }
  double events_ms = 0;
  for (const auto& e : result.events()) {
    if (e.deviceType() == c10::DeviceType::CPU) {
      const int64_t us = e.cudaElapsedUs();  // with events around operations: inner ones are counted in outer ones, too
      if (how == "events" && us > 0) {
        auto& total = gpu_of_op[with_shapes(e)];
        total.ms += double(us) / 1e3, total.count += 1;
        events_ms += double(us) / 1e3;
      }
      continue;
    }
    const std::string name = e.name();
    if (e.durationNs() == 0 || begins(name, "ProfilerStep")) continue;
    auto& total = kernels[name];
    total.ms += double(e.durationNs()) / 1e6, total.count += 1;
    busy.emplace_back(e.startNs(), e.endNs());
    const auto found = by_id.find(e.linkedCorrelationId());
    auto& of = gpu_of_op[found == by_id.end() ? std::string("(no operation)") : with_shapes(*found->second)];
    of.ms += double(e.durationNs()) / 1e6, of.count += 1;
  }
  // Time of an operation's own: less that of the ones inside it.
  for (auto& [thread, list] : by_thread) {
    std::stable_sort(list.begin(), list.end(), [](const auto* a, const auto* b) { return a->startNs() != b->startNs() ? a->startNs() < b->startNs() : a->endNs() > b->endNs(); });
    std::vector<const profiler::KinetoEvent*> open;
    for (const auto* e : list) {
      while (!open.empty() && open.back()->endNs() <= e->startNs()) open.pop_back();
      if (!open.empty()) host[open.back()->name()].ms -= double(e->durationNs()) / 1e6;
      auto& total = host[e->name()];
      total.ms += double(e->durationNs()) / 1e6, total.count += 1;
      open.push_back(e);
    }
  }
  std::sort(busy.begin(), busy.end());
  double gpu_ms = 0;
  uint64_t end = 0;
  for (const auto& [from, to] : busy) {
    if (to <= end) continue;
    gpu_ms += double(to - std::max(from, end)) / 1e6;
    end = to;
  }
  return {{"how", how}, {"wall_ms", wall_ms / per}, {"gpu_ms", gpu_ms / per}, {"busy_share", gpu_ms / wall_ms}, {"kernels", double(busy.size()) / per}, {"launches", double(launches) / per},
          {"ops", double(ops) / per}, {"events_ms", events_ms / per}, {"kernels_by_time", list_of(kernels, longest, per)}, {"ops_by_host_time", list_of(host, longest, per)}, {"ops_by_gpu_time", list_of(gpu_of_op, longest, per)}};
}

}  // namespace

Json trace_calls(const std::function<void()>& call, int calls, bool on_gpu, const std::string& json_path, size_t longest) {
  const auto record = [&](impl::ProfilerState state, const std::string& how) {
    std::set<impl::ActivityType> activities = {impl::ActivityType::CPU};
    if (on_gpu && state == impl::ProfilerState::KINETO) activities.insert(impl::ActivityType::CUDA);
    const impl::ProfilerConfig config(state, /*report_input_shapes=*/true);
    profiler::prepareProfiler(config, activities);
    profiler::enableProfiler(config, activities);
    const auto start = Clock::now();
    for (int i = 0; i < calls; ++i) call();
    if (on_gpu) torch::cuda::synchronize();
    const double wall_ms = 1e3 * std::chrono::duration<double>(Clock::now() - start).count();
    const auto result = profiler::disableProfiler();
    if (!json_path.empty() && state == impl::ProfilerState::KINETO) result->save(json_path);
    return summary_of(*result, how, wall_ms, calls, longest);
  };
  Json out = record(impl::ProfilerState::KINETO, on_gpu ? "kernels" : "host");
  if (on_gpu && out["kernels"].get<double>() == 0) {
    Json events = record(impl::ProfilerState::KINETO_GPU_FALLBACK, "events");
    events["without_cupti"] = std::move(out);
    return events;
  }
  return out;
}

}  // namespace fovea::bench
