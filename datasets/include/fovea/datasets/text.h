// Plain-text sources: reading, cleaning, and the controls that tell reading from guessing.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::datasets {

/// What a page is filled with. Controls have no sentence structure (shuffled-words), no real text at all (random-*).
enum class TextKind { kProse, kShuffledWords, kRandomWords, kRandomLetters, kDigits, kShuffledSentences, kSwappedEntities, kCode };
/// prose | shuffled-words | random-words | random-letters | digits | shuffled-sentences | swapped-entities | code. Errors: ConfigError listing them.
TextKind parse_text_kind(std::string_view name);
const char* text_kind_name(TextKind kind);
std::vector<std::string> text_kind_names();
/// Whether passages of this kind are made of the source's text (all but random letters and digits).
bool needs_source(TextKind kind);

/// Han, kana and full-width signs: written without spaces, each is a word of its own here.
bool is_word_alone(char32_t c);
/// Share of the first `num_chars` code points of `text` (white space aside) that are words alone; 0 of an empty text.
double share_of_words_alone(std::string_view text, size_t num_chars = 200000);

/// Reads a UTF-8 file; a form feed line separates documents and stays (passage leaves it out); blank lines and spaces at a
/// line's end vanish, other newlines stay. CR LF becomes LF, tabs and other white space become spaces, a BOM is dropped.
/// Errors: IoError, ConfigError (not UTF-8, empty).
std::string read_text(const std::string& path);

/// The words of letters of a UTF-8 text, each once, in order of first occurrence, without trailing punctuation (1 s for 50 MB).
/// Errors: ConfigError (no such word).
std::vector<std::string> distinct_words(const std::string& source);

/// One passage of running text of at least min_chars code points (fewer only if the source is shorter), beginning at a word.
/// kProse            a contiguous piece that starts at a paragraph or sentence, place chosen by (seed, index)
/// kShuffledWords    the words of such a piece in random order (one line)
/// kRandomWords      words drawn from the whole source, each with equal chance whatever its frequency
/// kRandomLetters    words of 2 to 10 random letters a-z
/// kDigits           groups of 2 to 10 random digits
/// kShuffledSentences  the sentences of such a piece in random order
/// kSwappedEntities  such a piece with every name (a run of capitalised words that does not begin a sentence) exchanged for another name of the source,
///                   and every digit of a number for another digit: what a reader expects there is wrong
/// kCode             as kProse, of a source that is program text; its lines are kept
/// Han and kana characters count as words. Deterministic in (source, kind, seed, index); thread-safe. `source` is UTF-8.
/// Cost  that of the passage, but random-words lists the words of a source it has not seen lately (1 s for 50 MB).
/// Errors  ConfigError if the kind needs a source and it has no text (swapped-entities: fewer than two names and no number); the random-letters and digits kinds ignore it.
std::string passage(const std::string& source, TextKind kind, size_t min_chars, uint64_t seed, uint64_t index);

}  // namespace fovea::datasets
