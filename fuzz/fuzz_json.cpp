// The end of a JSON value and its cuts: a valid value ends at a bracket, no shorter beginning of it
// is valid, and every cut is behind a comma in it. The first byte chooses the longest container.
#include "core/text/json_cuts.hpp"
#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    const std::size_t longest = std::size_t{1} << (input.byte() & 15);
    const fuzz::Exact exact(input.rest());
    const std::string_view text = exact.view();
    const std::size_t at = text.find_first_of("{[");
    if (at == std::string_view::npos) return 0;
    std::vector<std::size_t> cuts;
    const ctxmem::JsonValue value = ctxmem::read_json(text, at, longest, cuts);
    LAW(value.end >= at && value.end <= text.size());
    fuzz::note(value.valid);
    fuzz::note(value.end);
    if (!value.valid) return 0;
    LAW(value.end >= at + 2);
    LAW(text[value.end - 1] == (text[at] == '{' ? '}' : ']'));
    for (std::size_t i = 0; i < cuts.size(); ++i) {
        LAW(cuts[i] > at + 1 && cuts[i] < value.end && text[cuts[i] - 1] == ',');
        LAW(i == 0 || cuts[i - 1] < cuts[i]);
    }
    fuzz::note_all(cuts);
    // What is behind a value is not read, and a value that is not whole is not valid.
    std::vector<std::size_t> again;
    const fuzz::Exact whole(text.substr(0, value.end));
    LAW(ctxmem::read_json(whole.view(), at, longest, again).valid && again == cuts);
    for (std::size_t shorter = value.end - 1; shorter > at && shorter + 40 > value.end; --shorter) {
        std::vector<std::size_t> none;
        LAW(!ctxmem::read_json(text.substr(0, shorter), at, longest, none).valid);
    }
    return 0;
}
