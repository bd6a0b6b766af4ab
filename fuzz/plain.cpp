// Runs a target without libFuzzer over files and the files of folders, in the order of their names,
// and prints how many and the digest of the results.
//
// usage: TARGET [-mutants=N] PATH...   with N random changes of each file as well
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

void run(const std::string& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

// A change of a few bytes: others, fewer, more, or a part again.
std::string mutant(std::string input, std::mt19937& random) {
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
        const std::size_t at = random() % (input.size() + 1);
        switch (random() % 4) {
            case 0: input.insert(at, 1, static_cast<char>(random())); break;
            case 1: input.erase(at, 1 + random() % 8); break;
            case 2: input.insert(at, input.substr(random() % (input.size() + 1), random() % 32));
                break;
            default:
                if (at < input.size()) input[at] = static_cast<char>(random());
        }
    }
    return input;
}

}  // namespace

int main(int arguments, char** argument) {
    unsigned mutants = 0;
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < arguments; ++i) {
        const std::string given = argument[i];
        if (given.starts_with("-mutants="))
            mutants = static_cast<unsigned>(std::stoul(given.substr(9)));
        else if (std::filesystem::is_directory(given))
            for (const auto& entry : std::filesystem::directory_iterator(given))
                files.push_back(entry.path());
        else
            files.emplace_back(given);
    }
    std::sort(files.begin(), files.end());
    std::mt19937 random(1);
    std::size_t runs = 0;
    for (const auto& path : files) {
        std::ifstream file(path, std::ios::binary);
        const std::string input{std::istreambuf_iterator<char>(file),
                                std::istreambuf_iterator<char>()};
        if (!file) continue;
        run(input);
        for (unsigned i = 0; i < mutants; ++i) run(mutant(input, random));
        runs += 1 + mutants;
    }
    run("");
    std::printf("%zu runs, digest %016llx\n", runs + 1,
                static_cast<unsigned long long>(fuzz::digest));
    return runs > 0 ? 0 : 1;
}
