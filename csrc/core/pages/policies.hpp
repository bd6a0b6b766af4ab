// Eviction policies by name.
#pragma once
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/pages/policy_arc.hpp"
#include "core/pages/policy_auto.hpp"
#include "core/pages/policy_fifo.hpp"
#include "core/pages/policy_gdsf.hpp"
#include "core/pages/policy_lru.hpp"
#include "core/pages/policy_s3fifo.hpp"
#include "core/pages/policy_sieve.hpp"

namespace ctxmem {

// Throws std::invalid_argument for a name that is not listed here.
inline std::unique_ptr<Policy> make_policy(std::string_view name, const TableView& view) {
    if (name == "lru") return std::make_unique<LruPolicy>();
    if (name == "fifo") return std::make_unique<FifoPolicy>();
    if (name == "sieve") return std::make_unique<SievePolicy>();
    if (name == "s3fifo") return std::make_unique<S3FifoPolicy>();
    if (name == "arc") return std::make_unique<ArcPolicy>();
    if (name == "auto") return std::make_unique<AutoPolicy>();
    if (name == "gdsf") return std::make_unique<GdsfPolicy>(view);
    throw std::invalid_argument("no policy is called " + std::string(name));
}

}  // namespace ctxmem
