// The tables of phrases: English, and the other languages, each in a source file of its own.
#pragma once
#include <span>

#include "core/ledger/phrases.hpp"

namespace ctxmem::tables {

std::span<const char* const> english();
std::span<const char* const> english_forms();
std::span<const char* const> german();
std::span<const char* const> french();
std::span<const char* const> spanish();
std::span<const char* const> italian();
std::span<const char* const> portuguese();
std::span<const char* const> dutch();
std::span<const char* const> japanese();
std::span<const char* const> chinese();
// Rules without a verb, of every language.
std::span<const PhraseRows> short_rules();

}  // namespace ctxmem::tables
