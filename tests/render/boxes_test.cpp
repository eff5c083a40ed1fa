// Character boxes against pixels: scripts by layouts.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/file.h"
#include "fovea/base/utf8.h"
#include "fovea/render/renderer.h"
#include "ink_check.h"

namespace fovea::render {
namespace {

struct Sample {
  const char* name;
  std::string text;
};

std::string udhr(const char* language, size_t bytes = 900) {
  std::string text = read_file(std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/udhr_" + language + ".txt");
  text.resize(std::min(bytes, text.size()));
  while (find_invalid_utf8(text) != std::string_view::npos) text.pop_back();
  return text;
}

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = [] {
    std::vector<Sample> out;
    for (const char* language : {"ar", "cs", "el", "es", "fr", "hi", "it", "nl", "pl", "pt", "ru", "th", "tr", "vi"})
      out.push_back({language, udhr(language)});
    out.push_back({"he", "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם (סעיף 1). כולם חוננו בתבונה ובמצפון, 12.5%."});
    out.push_back({"ur", "تمام انسان آزاد اور حقوق و عزت کے اعتبار سے برابر پیدا ہوئے ہیں۔ انہیں ضمیر اور عقل ودیعت ہوئی ہے۔"});
    out.push_back({"fa", "تمام افراد بشر آزاد به دنیا می‌آیند و از لحاظ حیثیت و حقوق با هم برابرند؛ ۱۲۳."});
    out.push_back({"bn", "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে।"});
    out.push_back({"ta", "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்; அவர்கள் மதிப்பிலும், உரிமைகளிலும் சமமானவர்கள்."});
    out.push_back({"te", "ప్రతిపత్తిస్వత్వముల విషయమున మానవులెల్లరును జన్మతః స్వతంత్రులును సమానులును నగుదురు."});
    out.push_back({"ml", "മനുഷ്യരെല്ലാവരും തുല്യാവകാശങ്ങളോടും അന്തസ്സോടും സ്വാതന്ത്ര്യത്തോടുംകൂടി ജനിച്ചിട്ടുള്ളവരാണ്‌."});
    out.push_back({"km", "មនុស្សទាំងអស់ កើតមកមានសេរីភាព និងសមភាព ក្នុងផ្នែកសេចក្ដីថ្លៃថ្នូរនិងសិទ្ធិ។"});
    out.push_back({"my", "လူတိုင်းသည် တူညီ လွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့် လည်းကောင်း၊ တူညီလွတ်လပ်သော အခွင့်အရေးများဖြင့်"});
    out.push_back({"lo", "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ, ສິດທິ, ອິດສະຫຼະພາບ ແລະຄວາມສະເໝີພາບເທົ່າທຽມກັນ."});
    out.push_back({"ka", "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით."});
    out.push_back({"hy", "Բոլոր մարդիկ ծնվում են ազատ ու հավասար՝ իրենց արժանապատվությամբ ու իրավունքներով։"});
    out.push_back({"am", "የሰው፡ልጅ፡ሁሉ፡ሲወለድ፡ነጻና፡በክብርና፡በመብትም፡እኩልነት፡ያለው፡ነው።"});
    out.push_back({"ko", "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 2026년."});
    out.push_back({"ja", "すべての人間は、生まれながらにして自由であり、かつ、「尊厳」と権利とについて平等である。ッャー！"});
    out.push_back({"zh", "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。（第1条）"});
    out.push_back({"emoji", "Faces 😀😂 hearts ❤️ flags 🇩🇪🇯🇵 family 👩‍👩‍👧‍👦 skin 👍🏽 keycap 3️⃣ text ☎ ✂."});
    out.push_back({"marks", "e̋̂ q̃̈ x̣̌ ố ở ǘ Z̤͑ã̄l̐g̎o a͡b and ﬁne ﬃ ½ №"});
    out.push_back({"mixed", "English with עברית inside (and), then العربية 123 (نص) 中文 ไทย हिन्दी end. \u202Eoverride\u202C \u2067isolate\u2069"});
    return out;
  }();
  return all;
}

struct Layout {
  const char* name;
  void (*apply)(Style&);
};

const Layout kLayouts[] = {
    {"default", [](Style&) {}},
    {"justified_columns",
     [](Style& s) { s.columns = 2, s.align = "justify", s.first_line_indent_px = 12, s.paragraph_space_px = 3, s.hyphenate = true; }},
    {"right_unhinted_phases", [](Style& s) { s.align = "right", s.hinting = "none", s.subpixel_positions = 4, s.font = "DejaVu Serif"; }},
    {"centred_spaced", [](Style& s) { s.align = "center", s.letter_spacing_px = 1.5, s.word_spacing_px = 3, s.font = "Noto Sans"; }},
    {"icu_breaks_scaled", [](Style& s) { s.line_breaks = "icu", s.horizontal_scale = 0.85, s.font = "Liberation Serif"; }},
    {"rtl_indented", [](Style& s) { s.direction = "rtl", s.indent_left_px = 20, s.indent_right_px = 8; }},
    {"vertical", [](Style& s) { s.direction = "vertical", s.font = "WenQuanYi Micro Hei"; }},
    {"markers_cropped", [](Style& s) { s.newline = "marker", s.crop = "both", s.font = "DejaVu Sans"; }},
    {"mono_bold_italic", [](Style& s) { s.antialias = "mono", s.bold = s.italic = true, s.hinting = "full"; }},
    {"subpixel_rgb", [](Style& s) { s.antialias = "subpixel", s.subpixel_positions = 3; }},
};

class Boxes : public testing::TestWithParam<Layout> {};

TEST_P(Boxes, EncloseInkInEveryScript) {
  const Renderer renderer;
  for (const Sample& sample : samples()) {
    Style style;
    style.width_px = 430, style.height_px = 330;
    style.font_size_px = 15;
    style.language = sample.name == std::string("marks") || sample.name == std::string("mixed") || sample.name == std::string("emoji")
                         ? "en"
                         : sample.name;
    GetParam().apply(style);
    const std::string what = std::string(sample.name) + " " + GetParam().name;
    const Page page = renderer.render(sample.text, style);
    expect_boxes_enclose_ink(page, 255, what);
    EXPECT_EQ(page.report.num_missing_glyphs, 0u) << what << ": " << page.report.missing_example;
    // every code point of the page's text has one box, in order (newlines only as markers)
    size_t at = 0, num_inked = 0;
    for (size_t pos = 0; pos < page.text.size();) {
      const size_t begin = pos;
      const char32_t c = next_code_point(page.text, pos);
      if (c == U'\n' && style.newline == "break") continue;
      ASSERT_LT(at, page.chars.size()) << what;
      ASSERT_EQ(page.chars[at].byte_offset, begin) << what;
      EXPECT_LE(page.chars[at].cell_x0_px, page.chars[at].cell_x1_px);
      num_inked += page.chars[at].x0_px < page.chars[at].x1_px;
      ++at;
    }
    EXPECT_EQ(at, page.chars.size()) << what;
    EXPECT_GT(num_inked, 25u) << what;
    ASSERT_FALSE(page.grapheme_begin.empty());
    EXPECT_EQ(page.grapheme_begin.front(), 0u);
    EXPECT_TRUE(std::is_sorted(page.grapheme_begin.begin(), page.grapheme_begin.end()));
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, Boxes, testing::ValuesIn(kLayouts), [](const auto& info) { return std::string(info.param.name); });

TEST(Boxes, GraphemesAreWhatReadersCall) {
  Style style;
  style.font = "DejaVu Sans";
  const auto graphemes = [&](const std::string& text) { return Renderer().render(text, style).grapheme_begin; };
  using testing::ElementsAre;
  EXPECT_THAT(graphemes("abc"), ElementsAre(0u, 1u, 2u));
  EXPECT_THAT(graphemes("e\u0301o\u0302\u0323x"), ElementsAre(0u, 2u, 5u));
  EXPECT_THAT(graphemes("\U0001F1E9\U0001F1EA!"), ElementsAre(0u, 2u));                                    // a flag
  EXPECT_THAT(graphemes("\U0001F469\u200D\U0001F469\u200D\U0001F467z"), ElementsAre(0u, 5u));              // a family
  EXPECT_THAT(graphemes("\u0915\u093F \u0E01\u0E33"), ElementsAre(0u, 2u, 3u));                            // ki, space, kam
}

}  // namespace
}  // namespace fovea::render
