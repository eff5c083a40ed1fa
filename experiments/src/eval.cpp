#include "fovea/experiments/eval.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>
#include <thread>

#include "eval_lines.h"
#include "eval_prior.h"
#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/parallel.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/experiments/score.h"
#include "fovea/experiments/task.h"
#include "fovea/experiments/three_texts.h"
#include "fovea/image/read.h"
#include "fovea/image/resize.h"

namespace fovea::experiments {
namespace fs = std::filesystem;

namespace {

struct Stop {};  // thrown out of the reader when should_stop says so

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double rounded(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::round(value * scale) / scale;
}

std::string numbered(size_t number, size_t digits) {
  std::string out = std::to_string(number);
  return out.size() < digits ? std::string(digits - out.size(), '0') + out : out;
}

double work_of(const Sample& sample) { return double(sample.reference.size() + sample.continuation.size()) / 4 + 16; }

// The picture that the reader is shown; the drawn page is kept for the picture of errors.
struct Shown {
  Image image;
  render::Page page;
  bool drawn = false;
};

Shown show(const Sample& sample, const render::Renderer& renderer) {
  Shown out;
  if (!sample.image_file.empty()) {
    out.image = image::read(sample.image_file);
    return out;
  }
  if (sample.draw) {
    out.image = sample.draw(renderer);
    return out;
  }
  out.page = draw_text(renderer, sample.page_text, sample.style, sample.three_texts);
  out.drawn = true;
  if (sample.blank) {
    out.image = Image::filled(out.page.image.width_px, out.page.image.height_px, out.page.image.channels, 255);
  } else if (sample.shown_side_px > 0 && sample.shown_side_px != out.page.image.width_px) {
    out.image = image::resize_bicubic(out.page.image, int(sample.shown_side_px), int(sample.shown_side_px));
  } else {
    out.image = out.page.image;
  }
  return out;
}

// Images that are not there are found before anything is read.
void check_images(std::vector<Sample>& samples, const EvalConfig& config, std::vector<std::string>& notes) {
  std::vector<std::string> missing;
  std::erase_if(samples, [&](const Sample& sample) {
    std::error_code ec;
    if (sample.image_file.empty() || fs::is_regular_file(sample.image_file, ec)) return false;
    missing.push_back(sample.image_file);
    return true;
  });
  if (missing.empty()) return;
  std::string few;
  for (size_t i = 0; i < missing.size() && i < 3; ++i) few += (i ? ", " : "") + missing[i];
  if (missing.size() > 3) few += " and " + std::to_string(missing.size() - 3) + " more";
  const std::string what = std::to_string(missing.size()) + " of " + std::to_string(missing.size() + samples.size()) + " images are not there: " + few;
  if (config.missing == "refuse" || samples.empty()) throw IoError("[eval] " + what + "; images=FOLDER says where they are, missing=skip leaves those pages out");
  notes.push_back(what + "; left out");
}

void check_ids(const std::vector<Sample>& samples) {
  std::set<std::string> seen;
  for (const auto& sample : samples)
    if (!seen.insert(sample.id).second) throw ConfigError("[eval] two samples have the id '" + sample.id + "'; ids must tell samples apart");
}

Json identity_config(const EvalConfig& config) {
  Json out = config_to_json(config);
  for (const char* name : {"out", "batch", "num_threads", "data", "images", "code", "model", "predictions", "tokenizer", "jieba", "wordnet", "prior_text", "save_pages"}) out.erase(name);
  if (config.reader != "oracle") out.erase("oracle");
  if (config.channels == "gray") out.erase("channels");  // as before there was a choice
  return out;
}

}  // namespace

std::unique_ptr<PageReader> make_light_reader(const EvalConfig& config) {
  if (config.reader == "oracle") return make_oracle_reader(config.oracle);
  if (config.reader == "predictions") return make_prediction_reader(config.predictions, config.strangers);
  if (config.reader == "callback") throw UnsupportedError("[eval] reader=callback takes a function of Python: fovea.evaluate(..., reader=FUNCTION)");
  throw UnsupportedError("[eval] reader=model needs LibTorch, which this program is built without");
}

EvalEstimate estimate_eval(const EvalConfig& config) {
  validate_fields(config, "eval");
  return make_task(config.task)->estimate(config);
}

Json eval_cell_identity(const EvalConfig& config) {
  Json out = identity_config(config);
  out["task_version"] = make_task(config.task)->version();
  const auto hash = [](const std::string& path) {
    std::error_code ec;
    return fs::is_regular_file(path, ec) ? Json(sha256_hex_of_file(path)) : Json(path);
  };
  for (const auto& [name, list] : {std::pair{"data", config.data}, {"code", config.code}, {"prior_text", config.prior_text}}) {
    Json hashes = Json::array();
    for (const auto& path : list) hashes.push_back(hash(path));
    out[name] = hashes;
  }
  out["model"] = config.reader == "model" ? Json(config.model) : Json();
  out["predictions"] = config.reader == "predictions" ? hash(config.predictions) : Json();
  return out;
}

EvalSummary run_eval(const EvalConfig& config, PageReader& reader, const EvalCallbacks& callbacks) {
  const std::string started = now_utc();
  const double start_s = now_s();

  // ---- everything that can be wrong is found before anything is written
  validate_fields(config, "eval");
  const auto task = make_task(config.task);
  const Metrics metrics(config);
  const int num_threads = config.num_threads > 0 ? int(config.num_threads) : int(std::max(1u, std::thread::hardware_concurrency()));
  for (int64_t budget : config.budget) reader.check_budget(budget);
  if (!config.prompt.empty() && !reader.takes_prompts()) throw ConfigError("[eval] " + reader.name() + " reads pages without a prompt, got '" + config.prompt + "'");
  if (task->follows() && config.reader != "model" && config.reader != "callback") reader.follow({});  // says that it cannot
  TaskContext context(config, reader.stride_px(), reader.takes_prompts(), num_threads);
  std::vector<Sample> samples = task->samples(config, context);
  if (samples.empty()) throw ConfigError("[eval] " + config.task + " has no sample");
  if (config.channels != "gray" && std::any_of(samples.begin(), samples.end(), [](const Sample& sample) { return !sample.three_texts; }))
    throw ConfigError("[eval] channels=" + config.channels + " is for tasks whose pages are drawn text, such as curve; " + config.task + " has pictures of its own");
  EvalSummary summary;
  if (reader.needs_pages()) {
    check_images(samples, config, context.notes);
    for (const auto& sample : samples)
      if (!sample.image_file.empty()) context.depends_on(sample.image_file);
  }
  check_ids(samples);
  std::vector<std::string> ids;
  for (auto& sample : samples) {
    ids.push_back(sample.id);
    if (!config.prompt.empty()) sample.prompt = config.prompt;
    if (!reader.takes_prompts()) sample.prompt.clear();
  }
  reader.check_samples(ids);
  Prior prior(config, context, *task);

  Json hashes = Json::object();
  {
    std::vector<std::string> contents;  // by content, not by name; the tokenizer by its role
    for (const auto& [path, hash] : context.hashes())
      if (path == "tokenizer")
        hashes["tokenizer"] = hash;
      else
        contents.push_back(hash);
    std::sort(contents.begin(), contents.end());
    hashes["data"] = contents;
  }
  const Json identity = {{"format", kRunFormat}, {"verb", "eval"}, {"task", config.task}, {"task_version", task->version()}, {"reader", reader.identity()}, {"config", identity_config(config)}, {"sha256", hashes}};
  std::vector<std::string> keys;
  for (const auto& sample : samples)
    keys.push_back(sha256_hex(identity.dump(-1, ' ', false, Json::error_handler_t::replace) + sample.id + sha256_hex(sample.reference)).substr(0, 16));
  check_run_folder(config.out, identity);

  // ---- the run
  RunFolder folder(config.out, identity);
  make_writable_folder(folder.file("pages"));
  std::map<std::string, size_t> index_of;
  for (size_t i = 0; i < keys.size(); ++i) index_of[keys[i]] = i;
  std::vector<Json> lines(samples.size());
  for (const auto& line : folder.results())
    if (const auto key = line.find("key"); key != line.end() && key->is_string())
      if (const auto it = index_of.find(key->get<std::string>()); it != index_of.end()) lines[it->second] = line;
  std::map<std::string, std::string> errors;  // by sample

  summary.out = config.out;
  Json manifest = {{"fovea", callbacks.versions.value("fovea", "")},
                   {"format", kRunFormat},
                   {"verb", "eval"},
                   {"task", config.task},
                   {"task_version", task->version()},
                   {"status", "running"},
                   {"git_revision", callbacks.git_revision},
                   {"command", callbacks.command},
                   {"config", config_to_json(config)},
                   {"seed", config.seed},
                   {"versions", callbacks.versions},
                   {"sha256", hashes},
                   {"files", context.hashes()},
                   {"reader", reader.name()},
                   {"reader_identity", reader.identity()},
                   {"hardware", callbacks.hardware},
                   {"started", started}};
  const std::string manifest_path = folder.file("manifest.json");
  if (fs::exists(manifest_path)) {  // times of earlier starts stay known
    const Json before = Json::parse(read_file(manifest_path), nullptr, false);
    if (before.is_object()) {
      manifest["first_started"] = before.value("first_started", before.value("started", started));
      manifest["seconds_before"] = before.value("seconds_before", 0.0) + before.value("seconds", 0.0);
    }
  }
  const auto num_done = [&] { return size_t(std::count_if(lines.begin(), lines.end(), [](const Json& line) { return !line.is_null(); })); };
  const auto write_manifest = [&](const char* status) {
    manifest["status"] = status;
    manifest["ended"] = now_utc();
    manifest["seconds"] = rounded(now_s() - start_s, 3);
    manifest["num_samples"] = num_done();
    manifest["num_errors"] = errors.size();
    manifest["notes"] = context.notes;
    write_file_atomic(manifest_path, manifest.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  };
  write_manifest("running");

  const size_t digits = std::max<size_t>(3, std::to_string(samples.size() - 1).size());
  const auto stem_of = [&](size_t i) { return config.out + "/pages/" + numbered(i, digits); };
  double work_total = 0, work_done = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    work_total += work_of(samples[i]);
    if (!lines[i].is_null()) work_done += work_of(samples[i]);
  }
  summary.num_resumed = num_done();
  const double work_at_start = work_done, run_start_s = now_s();
  double last_report_s = 0;
  const auto report = [&](double in_flight, bool always) {
    const double now = now_s();
    if (!callbacks.on_progress || (!always && now - last_report_s < 0.2)) return;
    last_report_s = now;
    EvalProgress progress;
    progress.samples_done = num_done() + errors.size();
    progress.samples_total = samples.size();
    const double done = std::min(work_done + in_flight, work_total), here = done - work_at_start;
    progress.share_done = progress.samples_done == samples.size() ? 1 : done / work_total;
    if (progress.samples_done == samples.size())
      progress.seconds_left = 0;
    else if (here > 0.005 * work_total || here > 200)
      progress.seconds_left = (now - run_start_s) * (work_total - done) / here;
    callbacks.on_progress(progress);
  };
  const auto check_stop = [&] {
    if (callbacks.should_stop && callbacks.should_stop()) throw Stop{};
  };
  const auto fail = [&](size_t i, const std::string& what) {
    errors[samples[i].id] = what;
    work_done += work_of(samples[i]);
    if (callbacks.on_sample) callbacks.on_sample({{"sample", samples[i].id}, {"error", what}});
    report(0, true);
  };
  const auto finish = [&](size_t i, Json line) {
    folder.append(line);
    lines[i] = std::move(line);
    work_done += work_of(samples[i]);
    if (callbacks.on_sample) callbacks.on_sample(lines[i]);
    report(0, true);
  };

  report(0, true);
  try {
    // Pages that the reader sees alike are read together, longest first: even batches.
    std::vector<size_t> order;
    for (size_t i = 0; i < samples.size(); ++i)
      if (lines[i].is_null()) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const auto group = [&](size_t i) { return std::tie(samples[i].mode, samples[i].budget, samples[i].prompt); };
      return group(a) != group(b) ? group(a) < group(b) : work_of(samples[a]) > work_of(samples[b]);
    });
    for (size_t first = 0; first < order.size();) {
      std::vector<size_t> batch;
      const auto alike = [&](size_t a, size_t b) { return samples[a].mode == samples[b].mode && samples[a].budget == samples[b].budget && samples[a].prompt == samples[b].prompt; };
      for (; first < order.size() && batch.size() < size_t(config.batch) && (batch.empty() || alike(batch[0], order[first])); ++first) batch.push_back(order[first]);
      check_stop();
      std::vector<Shown> shown(batch.size());
      std::vector<std::string> broken(batch.size());
      const bool draw = reader.needs_pages() || config.save_pages;
      parallel_for(batch.size(), num_threads, [&](size_t b) {
        try {
          if (draw && (reader.needs_pages() || samples[batch[b]].image_file.empty())) shown[b] = show(samples[batch[b]], context.renderer());
        } catch (const IoError& e) {  // a damaged picture is this sample's fault alone
          broken[b] = e.what();
        }
      });
      check_stop();
      std::vector<ReadRequest> requests;
      std::vector<size_t> of_request;
      for (size_t b = 0; b < batch.size(); ++b) {
        const Sample& sample = samples[batch[b]];
        if (!broken[b].empty()) {
          fail(batch[b], broken[b]);
          continue;
        }
        ReadRequest request;
        request.sample = sample.id;
        if (reader.needs_pages()) request.pages = {shown[b].image};
        request.truth = sample.reference;
        request.prompt = sample.prompt;
        request.mode = sample.mode;
        request.budget = sample.budget;
        request.max_tokens = config.max_tokens;
        requests.push_back(std::move(request));
        of_request.push_back(b);
      }
      if (requests.empty()) continue;
      if (task->follows()) {
        for (size_t r = 0; r < requests.size(); ++r) {
          const size_t i = batch[of_request[r]];
          const Sample& sample = samples[i];
          const Image blank = Image::filled(requests[r].pages[0].width_px, requests[r].pages[0].height_px, requests[r].pages[0].channels, 255);
          const auto seen = reader.follow({{requests[r].pages[0], sample.mode, sample.prompt, sample.page_text, sample.continuation, sample.page_text},
                                           {blank, sample.mode, sample.prompt, sample.page_text, sample.continuation, ""},
                                           {requests[r].pages[0], sample.mode, sample.prompt, "", sample.continuation, sample.page_text, /*goes_on=*/true},
                                           {blank, sample.mode, sample.prompt, "", sample.continuation, "", /*goes_on=*/true}});
          finish(i, followed_line(*task, sample, keys[i], numbered(i, digits), seen));
          check_stop();
        }
        continue;
      }
      std::vector<bool> answered(requests.size(), false);
      double in_flight = 0;
      const auto on_answer = [&](size_t r, ReadAnswer answer) {
        if (r >= requests.size() || answered[r]) throw InternalError("[eval] " + reader.name() + " answered a request twice, or one that was not made");
        answered[r] = true;
        in_flight = std::max(0.0, in_flight - double(answer.num_tokens));
        const size_t b = of_request[r], i = batch[b];
        if (!answer.error.empty()) return fail(i, answer.error);
        const Sample& sample = samples[i];
        answer.text = replace_invalid_utf8(answer.text);
        if (config.reader != "predictions") answer.text = task->clean(sample, answer.text);  // what others saved is scored as they saved it
        const std::string visual = shown[b].drawn ? render::visual_text(shown[b].page) : sample.reference;
        Json line;
        try {
          line = result_line(*task, sample, keys[i], numbered(i, digits), answer, shown[b].drawn && task->scores_text(sample) && sample.reference == sample.page_text ? visual : sample.reference, metrics, config);
        } catch (const ConfigError& e) {  // a text too long to be scored, say
          return fail(i, e.what());
        }
        if (shown[b].drawn) line["num_missing_glyphs"] = shown[b].page.report.num_missing_glyphs;
        const std::string stem = stem_of(i);
        write_file_atomic(stem + ".txt", visual + "\n");
        write_file_atomic(stem + ".hyp.txt", answer.text + "\n");
        if (config.save_pages && shown[b].drawn) {
          write_png(shown[b].image, stem + ".png");
          if (!config.predict_only && task->scores_text(sample) && !sample.blank && shown[b].image.width_px == shown[b].page.image.width_px && answer.text.size() < 1'000'000)
            write_png(error_picture(shown[b].page, answer.text), stem + ".errors.png");
        }
        finish(i, std::move(line));
      };
      const auto on_step = [&](size_t num_tokens) {
        in_flight += double(num_tokens);
        report(in_flight, false);
        check_stop();
      };
      reader.read(requests, on_answer, on_step);
      for (size_t r = 0; r < requests.size(); ++r)
        if (!answered[r]) fail(batch[of_request[r]], "[eval] " + reader.name() + " gave no answer");
    }
    if (config.prior && !config.predict_only) prior.run(samples, keys, reader, folder.path(), check_stop, context);
  } catch (const Stop&) {
    summary.stopped = true;
  } catch (...) {
    try {
      write_manifest("failed");
    } catch (const Error&) {
      // the disk is full, say: the first error is the one to tell
    }
    throw;
  }

  std::string error_lines;
  for (const auto& [sample, what] : errors) error_lines += Json{{"sample", sample}, {"error", what}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  if (!errors.empty())
    write_file_atomic(folder.file("errors.jsonl"), error_lines);
  else
    fs::remove(folder.file("errors.jsonl"));
  summary.num_samples = num_done();
  summary.num_errors = errors.size();
  if (!summary.stopped) {
    std::map<std::string, std::string> texts;
    std::string predictions;
    for (size_t i = 0; i < samples.size() && !task->follows(); ++i) {
      if (lines[i].is_null()) continue;
      std::string text = read_file(stem_of(i) + ".hyp.txt");
      if (!text.empty()) text.pop_back();
      predictions += Json{{"sample", samples[i].id}, {"text", text}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
      texts[samples[i].id] = std::move(text);
    }
    if (!task->follows()) {
      write_file_atomic(folder.file("predictions.jsonl"), predictions);
      summary.files.push_back(folder.file("predictions.jsonl"));
    }
    if (!config.predict_only) {
      std::vector<Json> done;
      for (const auto& line : lines)
        if (!line.is_null()) done.push_back(line);
      std::tie(summary.columns, summary.rows) = summarise_lines(*task, done, errors.size());
      write_file_atomic(folder.file("summary.csv"), to_csv(summary.columns, summary.rows));
      summary.files.push_back(folder.file("summary.csv"));
      for (auto& file : prior.files) summary.files.push_back(file);
      if (!texts.empty()) {
        try {
          for (auto& file : task->finish(config, folder.path(), samples, texts)) summary.files.push_back(std::move(file));
        } catch (const Error& e) {  // what was read is there and can be scored again
          context.notes.push_back(std::string("the benchmark's own scorer failed: ") + e.what());
        }
      }
    }
  }
  summary.notes = context.notes;
  write_manifest(summary.stopped ? "stopped" : errors.empty() ? "complete" : "incomplete");
  return summary;
}

}  // namespace fovea::experiments
