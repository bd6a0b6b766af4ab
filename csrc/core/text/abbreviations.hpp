// Abbreviations and openers: what a full stop after, or a capital before, says about a sentence.
//
// English, German, French and Dutch, lower-cased, without their last full stop. Sorted, and looked
// up by bisection.
#pragma once
#include <algorithm>
#include <array>
#include <string_view>

namespace ctxmem::words {

using std::string_view_literals::operator""sv;

// Something always follows: titles, and what introduces.
inline constexpr std::array kGoesOn = {
    "adm"sv,  "approx"sv, "bspw"sv, "bzgl"sv, "bzw"sv,  "c.f"sv,  "ca"sv,   "capt"sv, "cf"sv,
    "cmdr"sv, "d.h"sv,    "dhr"sv,  "dr"sv,   "e.g"sv,  "eg"sv,   "evtl"sv, "excl"sv, "ggf"sv,
    "gov"sv,  "i.d.r"sv,  "i.e"sv,  "ie"sv,   "incl"sv, "inkl"sv, "insb"sv, "lt"sv,   "messrs"sv,
    "mevr"sv, "mlle"sv,   "mme"sv,  "mr"sv,   "mrs"sv,  "ms"sv,   "mt"sv,   "mw"sv,   "mx"sv,
    "o.g"sv,  "prof"sv,   "resp"sv, "rev"sv,  "sen"sv,  "sgt"sv,  "sog"sv,  "st"sv,   "u.a"sv,
    "vgl"sv,  "viz"sv,    "vs"sv,   "z.b"sv,  "z.t"sv,  "zzgl"sv};

// A number may follow, or a bracket; before a capital the sentence ends.
inline constexpr std::array kNumbered = {
    "a.m"sv,  "abs"sv,  "apr"sv, "art"sv, "arts"sv, "aug"sv, "bl"sv,   "blz"sv,  "ch"sv,
    "chap"sv, "cl"sv,   "dec"sv, "eq"sv,  "eqn"sv,  "eqs"sv, "etc"sv,  "ex"sv,   "feb"sv,
    "fig"sv,  "figs"sv, "fn"sv,  "jan"sv, "jul"sv,  "jun"sv, "kap"sv,  "lit"sv,  "mar"sv,
    "no"sv,   "nos"sv,  "nov"sv, "nr"sv,  "nrs"sv,  "oct"sv, "p.m"sv,  "para"sv, "paras"sv,
    "pg"sv,   "pp"sv,   "pt"sv,  "ref"sv, "refs"sv, "rn"sv,  "sec"sv,  "secs"sv, "sect"sv,
    "sep"sv,  "sept"sv, "tab"sv, "tz"sv,  "usw"sv,  "vol"sv, "vols"sv, "ziff"sv};

// Ends a sentence before an opener only.
inline constexpr std::array kEither = {
    "acad"sv, "al"sv,   "assn"sv, "ave"sv,  "avg"sv,  "biol"sv,  "blvd"sv, "bros"sv,
    "chem"sv, "co"sv,   "conf"sv, "corp"sv, "dept"sv, "dev"sv,   "ed"sv,   "eds"sv,
    "engl"sv, "est"sv,  "gem"sv,  "gen"sv,  "hon"sv,  "inc"sv,   "intl"sv, "jr"sv,
    "lett"sv, "ltd"sv,  "m.sc"sv, "max"sv,  "med"sv,  "mfg"sv,   "min"sv,  "nat"sv,
    "ph.d"sv, "phys"sv, "plc"sv,  "pres"sv, "proc"sv, "rd"sv,    "rep"sv,  "res"sv,
    "sci"sv,  "soc"sv,  "sr"sv,   "std"sv,  "supp"sv, "trans"sv, "univ"sv};

// Words that open a sentence with a capital and hardly ever a name.
inline constexpr std::array kOpeners = {
    "A"sv,           "According"sv, "After"sv,     "All"sv,     "Also"sv,   "Although"sv,
    "An"sv,          "And"sv,       "Any"sv,       "As"sv,      "At"sv,     "Because"sv,
    "Before"sv,      "Both"sv,      "But"sv,       "By"sv,      "Das"sv,    "Der"sv,
    "Die"sv,         "Each"sv,      "Es"sv,        "Finally"sv, "For"sv,    "From"sv,
    "Furthermore"sv, "He"sv,        "Hence"sv,     "Her"sv,     "Here"sv,   "His"sv,
    "How"sv,         "However"sv,   "I"sv,         "If"sv,      "In"sv,     "It"sv,
    "Its"sv,         "La"sv,        "Le"sv,        "Les"sv,     "Many"sv,   "Moreover"sv,
    "Most"sv,        "Neither"sv,   "No"sv,        "Nor"sv,     "Not"sv,    "On"sv,
    "Once"sv,        "One"sv,       "Or"sv,        "Our"sv,     "She"sv,    "Since"sv,
    "So"sv,          "Some"sv,      "Such"sv,      "That"sv,    "The"sv,    "Their"sv,
    "Then"sv,        "There"sv,     "Therefore"sv, "These"sv,   "They"sv,   "This"sv,
    "Those"sv,       "Thus"sv,      "To"sv,        "Under"sv,   "Unless"sv, "Until"sv,
    "Upon"sv,        "We"sv,        "What"sv,      "When"sv,    "Where"sv,  "While"sv,
    "Who"sv,         "Why"sv,       "With"sv,      "You"sv,     "Your"sv};

// After these a number with a full stop is a German ordinal: "am 3. Oktober", "im 19. Jahrhundert".
inline constexpr std::array kBeforeOrdinal = {
    "ab"sv,     "am"sv,    "beim"sv, "bis"sv, "das"sv,    "dem"sv,  "den"sv, "der"sv, "die"sv,
    "dieses"sv, "ihrem"sv, "im"sv,   "ins"sv, "seinem"sv, "seit"sv, "vom"sv, "zum"sv, "zur"sv};

// Before a number these title what follows: "Section 1. Definitions".
inline constexpr std::array kNumberedParts = {
    "abschnitt"sv, "annex"sv,    "appendix"sv, "article"sv, "artikel"sv,   "chapter"sv,
    "clause"sv,    "exhibit"sv,  "figure"sv,   "kapitel"sv, "paragraph"sv, "part"sv,
    "recital"sv,   "schedule"sv, "section"sv,  "step"sv,    "table"sv};

template <std::size_t n>
constexpr bool holds(const std::array<std::string_view, n>& sorted, std::string_view word) {
    return std::binary_search(sorted.begin(), sorted.end(), word);
}

static_assert(std::is_sorted(kGoesOn.begin(), kGoesOn.end()));
static_assert(std::is_sorted(kNumbered.begin(), kNumbered.end()));
static_assert(std::is_sorted(kEither.begin(), kEither.end()));
static_assert(std::is_sorted(kOpeners.begin(), kOpeners.end()));
static_assert(std::is_sorted(kBeforeOrdinal.begin(), kBeforeOrdinal.end()));
static_assert(std::is_sorted(kNumberedParts.begin(), kNumberedParts.end()));

}  // namespace ctxmem::words
