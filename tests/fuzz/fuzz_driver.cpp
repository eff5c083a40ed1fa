// A driver for fuzz targets where the compiler has none: mutates seed files until the time is over.
//   fovea_fuzz_font --seconds 600 --seed 1 SEEDS...       (files or folders)
//   fovea_fuzz_font --replay FILE...                      (each as it is)
// The input that is running is written to ./fuzz_crash.bin when a sanitizer, a signal or the watchdog (20 s of processor time an input) ends the program.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/time.h>
#include <unistd.h>

#include "fovea/base/file.h"
#include "fovea/base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

constexpr int kWatchdogSeconds = 20;
constexpr size_t kMaxBytes = size_t(1) << 20;
std::string g_input;

void save_input() {
  const int file = open("fuzz_crash.bin", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return;
  size_t done = 0;
  while (done < g_input.size()) {
    const ssize_t n = write(file, g_input.data() + done, g_input.size() - done);
    if (n <= 0) break;
    done += size_t(n);
  }
  close(file);
}

void on_signal(int signal) {
  save_input();
  const char text[] = "\nfuzz: ended by a signal (SIGPROF: an input took too long); see fuzz_crash.bin\n";
  if (write(2, text, sizeof text - 1) < 0) _exit(3);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

// Positions near the beginning and near what was changed last are more likely: there are headers.
size_t place(fovea::Rng& rng, size_t size, size_t last) {
  switch (rng.below(4)) {
    case 0: return rng.below(std::min<size_t>(size, 512));
    case 1: return std::min(size - 1, last + rng.below(32));
    case 2: return size_t(rng.uniform() * rng.uniform() * double(size));
    default: return rng.below(size);
  }
}

std::string mutated(fovea::Rng& rng, const std::vector<std::string>& seeds) {
  static constexpr uint32_t kInteresting[] = {0,      1,      2,      0x7F,       0x80,       0xFF,       0x100,     0x7FFF,     0x8000,
                                              0xFFFF, 0xFFFE, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x40000000, 0x00FFFFFF, 64};
  std::string bytes = seeds[rng.below(seeds.size())];
  const size_t num_changes = 1 + rng.below(rng.chance(0.2) ? 64 : 6);
  size_t last = 0;
  for (size_t n = 0; n < num_changes && !bytes.empty(); ++n) {
    const size_t at = place(rng, bytes.size(), last);
    last = at;
    switch (rng.below(9)) {
      case 0: bytes[at] = char(uint8_t(bytes[at]) ^ (1u << rng.below(8))); break;
      case 1: bytes[at] = char(rng.below(256)); break;
      case 2:
      case 3: {  // a big-endian or little-endian number
        const size_t width = rng.chance(0.5) ? 2 : 4;
        const uint32_t value = kInteresting[rng.below(std::size(kInteresting))] + uint32_t(rng.chance(0.3) ? rng.below(8) : 0);
        const bool big = rng.chance(0.7);
        for (size_t k = 0; k < width && at + k < bytes.size(); ++k) bytes[at + k] = char(value >> 8 * (big ? width - 1 - k : k));
        break;
      }
      case 4: {
        const size_t end = std::min(bytes.size(), at + 1 + rng.below(64));
        for (size_t k = at; k < end; ++k) bytes[k] = rng.chance(0.5) ? '\0' : '\xFF';
        break;
      }
      case 5:
        if (rng.chance(0.3)) bytes.resize(at);
        break;
      case 6: bytes.insert(at, bytes.substr(rng.below(bytes.size()), rng.below(256))); break;
      case 7: bytes.erase(at, rng.below(64)); break;
      default: {  // a piece of another seed
        const std::string& other = seeds[rng.below(seeds.size())];
        if (other.empty()) break;
        const std::string piece = other.substr(rng.below(other.size()), 1 + rng.below(512));
        bytes.replace(at, std::min(piece.size(), bytes.size() - at), piece);
      }
    }
  }
  if (bytes.size() > kMaxBytes) bytes.resize(kMaxBytes);
  return bytes;
}

void watchdog(int seconds) {
  itimerval timer{};
  timer.it_value.tv_sec = seconds;
  setitimer(ITIMER_PROF, &timer, nullptr);
}

void run(std::string input) {
  g_input = std::move(input);
  watchdog(kWatchdogSeconds);
  // A copy of exactly this size on the heap, so that the sanitizer sees reads past its end.
  const std::vector<uint8_t> exact(g_input.begin(), g_input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  watchdog(0);
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 60;
  uint64_t seed = 1;
  bool replay = false;
  std::vector<std::string> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--seconds" && i + 1 < argc) {
      seconds = std::atof(argv[++i]);
    } else if (arg == "--seed" && i + 1 < argc) {
      seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (arg == "--replay") {
      replay = true;
    } else if (std::filesystem::is_directory(arg)) {
      std::vector<std::string> names;
      for (const auto& entry : std::filesystem::recursive_directory_iterator(arg))
        if (entry.is_regular_file()) names.push_back(entry.path().string());
      std::sort(names.begin(), names.end());
      for (const auto& name : names) seeds.push_back(fovea::read_file(name));
    } else {
      seeds.push_back(fovea::read_file(arg));
    }
  }
  if (seeds.empty()) seeds.emplace_back("seed");
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF}) std::signal(signal, on_signal);
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(save_input);

  for (const std::string& whole : seeds) run(whole);
  if (replay) return 0;
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  uint64_t num = 0;
  double next_report = 10;
  for (; elapsed() < seconds; ++num) {
    fovea::Rng rng(seed, 0, num);
    run(mutated(rng, seeds));
    if (elapsed() >= next_report) {
      std::printf("%.0f s, %llu inputs\n", elapsed(), static_cast<unsigned long long>(num));
      std::fflush(stdout);
      next_report += 30;
    }
  }
  std::printf("%llu inputs in %.0f s, seed %llu: nothing found\n", static_cast<unsigned long long>(num), elapsed(),
              static_cast<unsigned long long>(seed));
}
