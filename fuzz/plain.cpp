// Runs a target without libFuzzer over files and the files of folders, in the order of their names,
// and prints how many and the digest of the results.
//
// usage: TARGET [-mutants=N] [-failing=N] PATH...
//   -mutants=N   also with N random changes of each file
//   -failing=N   also with allocations of each run failing from the k-th on, for N values of k: the
//                target must throw std::bad_alloc, or do without what it could not have
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Allocations that still succeed; below 0, all do. The allocations of every thread are counted.
static std::atomic<long> allocations_left{-1};
static std::atomic<long> allocations{0};

static void* allocate(std::size_t size, std::size_t alignment) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (allocations_left.load(std::memory_order_relaxed) >= 0 &&
        allocations_left.fetch_sub(1, std::memory_order_relaxed) <= 0) {
        allocations_left.store(0, std::memory_order_relaxed);
        return nullptr;
    }
    if (size == 0) size = 1;
    return alignment == 0
               ? std::malloc(size)
               : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

void* operator new(std::size_t size) {
    if (void* made = allocate(size, 0)) return made;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    if (void* made = allocate(size, static_cast<std::size_t>(alignment))) return made;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void operator delete(void* made) noexcept { std::free(made); }
void operator delete(void* made, std::size_t) noexcept { std::free(made); }
void operator delete(void* made, std::align_val_t) noexcept { std::free(made); }
void operator delete(void* made, std::size_t, std::align_val_t) noexcept { std::free(made); }
void operator delete(void* made, const std::nothrow_t&) noexcept { std::free(made); }

namespace {

void run(const std::string& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

// Runs an input with memory that ends early, `times` times; returns how often that was noticed.
std::size_t run_short_of_memory(const std::string& input, unsigned times) {
    const std::uint64_t digest = fuzz::digest;
    allocations = 0;
    run(input);
    const long all = allocations;
    std::size_t noticed = 0;
    for (unsigned i = 0; i < times; ++i) {
        allocations_left = all * static_cast<long>(i) / static_cast<long>(times);
        try {
            run(input);
        } catch (const std::bad_alloc&) {
            ++noticed;
        }
        allocations_left = -1;
    }
    fuzz::digest = digest;  // of what was cut short nothing counts
    return noticed;
}

// A change of a few bytes: others, fewer, more, or a part again.
std::string mutant(std::string input, std::mt19937& random) {
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
        const std::size_t at = random() % (input.size() + 1);
        switch (random() % 4) {
            case 0: input.insert(at, 1, static_cast<char>(random())); break;
            case 1: input.erase(at, 1 + random() % 8); break;
            case 2: {
                const std::size_t from = random() % (input.size() + 1);
                input.insert(at, input.substr(from, random() % 32));
                break;
            }
            default:
                if (at < input.size()) input[at] = static_cast<char>(random());
        }
    }
    return input;
}

}  // namespace

int main(int arguments, char** argument) {
    unsigned mutants = 0, failing = 0;
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < arguments; ++i) {
        const std::string given = argument[i];
        if (given.starts_with("-mutants="))
            mutants = static_cast<unsigned>(std::stoul(given.substr(9)));
        else if (given.starts_with("-failing="))
            failing = static_cast<unsigned>(std::stoul(given.substr(9)));
        else if (std::filesystem::is_directory(given))
            for (const auto& entry : std::filesystem::directory_iterator(given))
                files.push_back(entry.path());
        else
            files.emplace_back(given);
    }
    std::sort(files.begin(), files.end());
    std::mt19937 random(1);
    std::size_t runs = 0, noticed = 0;
    for (const auto& path : files) {
        std::ifstream file(path, std::ios::binary);
        const std::string input{std::istreambuf_iterator<char>(file),
                                std::istreambuf_iterator<char>()};
        if (!file) continue;
        run(input);
        for (unsigned i = 0; i < mutants; ++i) run(mutant(input, random));
        if (failing > 0) noticed += run_short_of_memory(input, failing);
        runs += 1 + mutants;
    }
    run("");
    std::printf("%zu runs, digest %016llx\n", runs + 1,
                static_cast<unsigned long long>(fuzz::digest));
    if (failing > 0) std::printf("%zu runs ended by std::bad_alloc\n", noticed);
    return runs > 0 && (failing == 0 || noticed > 0) ? 0 : 1;
}
