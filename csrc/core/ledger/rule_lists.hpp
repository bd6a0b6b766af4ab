// Whether a line announces a list of rules: "Here are the rules:". Every item of such a list is a
// rule, also one without a verb. Only lines of words that name no other thing count, because "the
// rules of chess are:" rules nothing here. Linear in the line.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace ctxmem::ledger {

constexpr std::array<std::string_view, 24> kRuleNouns = {
    "rules",        "conventions",  "guidelines",  "constraints", "requirements", "regeln",
    "konventionen", "vorgaben",     "richtlinien", "règles",      "consignes",    "contraintes",
    "reglas",       "convenciones", "normas",      "directrices", "regole",       "convenzioni",
    "regras",       "convenções",   "diretrizes",  "regels",      "afspraken",    "richtlijnen"};
constexpr std::array<std::string_view, 117> kBesideRules = {
    "here",    "here's",  "are",      "is",        "these",      "this",      "the",
    "our",     "my",      "some",     "a",         "few",        "following", "please",
    "follow",  "observe", "obey",     "stick",     "to",         "keep",      "remember",
    "team",    "project", "coding",   "code",      "style",      "general",   "house",
    "basic",   "working", "ground",   "important", "strict",     "for",       "you",
    "must",    "should",  "and",      "repo",      "repository", "codebase",  "conversation",
    "session", "chat",    "task",     "us",        "me",         "everyone",  "all",
    "in",      "of",      "with",     "ok",        "okay",       "hi",        "hello",
    "hier",    "sind",    "die",      "unsere",    "meine",      "folgende",  "folgenden",
    "bitte",   "befolge", "beachte",  "halte",     "dich",       "an",        "diese",
    "für",     "das",     "dieses",   "projekt",   "es",         "gelten",    "voici",
    "les",     "nos",     "mes",      "quelques",  "suis",       "respecte",  "suivantes",
    "ces",     "pour",    "ce",       "projet",    "le",         "aquí",      "están",
    "estas",   "son",     "las",      "nuestras",  "mis",        "sigue",     "siguientes",
    "para",    "este",    "proyecto", "ecco",      "nostre",     "mie",       "queste",
    "sono",    "per",     "aqui",     "estão",     "as",         "nossas",    "minhas",
    "zijn",    "de",      "onze",     "mijn",      "volg"};

inline bool announces_rules(std::string_view line) {
    const auto is_sign = [](char c) {
        return c == ' ' || c == '\t' || c == '*' || c == '_' || c == '#' || c == ':' || c == ',' ||
               c == '.' || c == '!';
    };
    const auto among = [](const auto& words, const std::string& word) {
        return std::find(words.begin(), words.end(), word) != words.end();
    };
    constexpr std::size_t longest = 120;  // bytes
    if (line.size() > longest) return false;
    bool named = false;
    for (std::size_t at = 0; at < line.size();) {
        if (is_sign(line[at])) {
            ++at;
            continue;
        }
        std::string word;
        for (; at < line.size() && !is_sign(line[at]); ++at)
            word +=
                line[at] >= 'A' && line[at] <= 'Z' ? static_cast<char>(line[at] | 0x20) : line[at];
        const bool noun = among(kRuleNouns, word);
        if (!noun && !among(kBesideRules, word)) return false;
        named |= noun;
    }
    return named;
}

}  // namespace ctxmem::ledger
