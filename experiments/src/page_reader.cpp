#include "fovea/experiments/page_reader.h"

#include <cmath>

#include "fovea/base/error.h"

namespace fovea::experiments {

std::vector<Foresight> PageReader::follow(const std::vector<FollowRequest>&) {
  throw UnsupportedError("[" + name() + "] tells no probabilities of a given text; a model's folder does (reader=model)");
}

void PageReader::check_budget(int64_t budget) const {
  const auto root = int64_t(std::llround(std::sqrt(double(budget))));
  if (root * root == budget) return;
  const int64_t low = std::max<int64_t>(1, int64_t(std::sqrt(double(budget))));
  throw ConfigError("[eval] budget must be a square (a page of g x g vision tokens), got " + std::to_string(budget) + "; the nearest are " +
                    std::to_string(low * low) + " and " + std::to_string((low + 1) * (low + 1)));
}

void PageReader::check_samples(const std::vector<std::string>&) {}

namespace {

class CallbackReader final : public PageReader {
 public:
  CallbackReader(ReadFunction read, std::string name, bool takes_prompts) : read_(std::move(read)), name_(std::move(name)), takes_prompts_(takes_prompts) {}
  void read(const std::vector<ReadRequest>& requests, const OnAnswer& on_answer, const std::function<void(size_t)>& on_step) override {
    auto answers = read_(requests);
    if (answers.size() != requests.size())
      throw ConfigError("[" + name_ + "] a reader must give one answer a request: " + std::to_string(answers.size()) + " answers to " + std::to_string(requests.size()) + " requests");
    for (size_t i = 0; i < answers.size(); ++i) on_answer(i, std::move(answers[i]));
    if (on_step) on_step(0);
  }
  Json identity() const override { return {{"callback", name_}}; }
  std::string name() const override { return name_; }
  bool takes_prompts() const override { return takes_prompts_; }

 private:
  ReadFunction read_;
  std::string name_;
  bool takes_prompts_;
};

}  // namespace

std::unique_ptr<PageReader> make_callback_reader(ReadFunction read, const std::string& name, bool takes_prompts) {
  return std::make_unique<CallbackReader>(std::move(read), name, takes_prompts);
}

}  // namespace fovea::experiments
