// Runs the fuzz target without libFuzzer: over the files of a folder, their beginnings and their
// ends, with each of its options, and over bytes that are no text.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int arguments, char** argument) {
    CHECK(arguments == 2);
    const auto run = [](const std::string& input) {
        CHECK(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()),
                                     input.size()) == 0);
    };
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(argument[1])) {
        std::ifstream file(entry.path(), std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(file),
                               std::istreambuf_iterator<char>()};
        ++files;
        for (char options = 0; options < 16; ++options) run(options + text);
        for (std::size_t at = 0; at < text.size(); at += 7) {  // also between the bytes of a letter
            run('\0' + text.substr(at));
            run('\4' + text.substr(0, at));
        }
    }
    CHECK(files >= 30);
    std::string bytes;
    for (int round = 0; round < 300; ++round) bytes += static_cast<char>(round * 151);
    run("");
    run(bytes);
    return 0;
}
