// Resolves the pixels of a range of waves. One workgroup makes one texture: it
// goes through the waves one after the other, and the steps of a wave, which do
// not read what the others write, are shared among its teams of 32 lanes.
//
// A step is that of `fast/src/kernel/scalar.rs`: of all candidates the one with
// the least (cost, order) wins, coherent ones in the order of the neighbours,
// then random ones in the order of their draws. All arithmetic is on integers.

const LANES: u32 = 32;
const TEAMS: u32 = 8;
const NEIGHBOURS: u32 = 50;
const SLOTS: u32 = 400; // TEAMS * NEIGHBOURS
const STEP: u32 = 52; // words of a step: place and count, number, neighbours
const NONE: u32 = 0xffffffff;

struct Texture {
    draw_seed: u32,
    // Its first record in `examples`, and how many there are.
    first_example: u32,
    examples: u32,
    // Its first pixel in `atlas`, and the pixels of a level.
    atlas: u32,
    level_len: u32,
    // Whether random candidates are drawn from one hash.
    narrow: u32,
}

struct Example {
    width: u32,
    height: u32,
    // Its first pixel within a level.
    base: u32,
}

struct Pass {
    first_wave: u32,
    end_wave: u32,
    level: u32,
    size: u32,
    random_candidates: u32,
    // -1 where random candidates are compared with a mirrored neighbourhood.
    sign: i32,
}

@group(0) @binding(0) var<storage, read> steps: array<u32>;
@group(0) @binding(1) var<storage, read> waves: array<u32>;
@group(0) @binding(2) var<storage, read> textures: array<Texture>;
@group(0) @binding(3) var<storage, read> examples: array<Example>;
@group(0) @binding(4) var<storage, read> atlas: array<u32>;
// A source for each pixel: x, y and example in 12, 12 and 8 bits.
@group(0) @binding(5) var<storage, read_write> cells: array<u32>;
@group(0) @binding(6) var<uniform> pass_: Pass;

// A neighbour: dx + 1024, dy + 1024 and weight in 11, 11 and 8 bits.
var<workgroup> neighbour: array<u32, SLOTS>;
var<workgroup> colour: array<u32, SLOTS>;
// The continuation of each neighbour's source, or NONE.
var<workgroup> candidate: array<u32, SLOTS>;
// Those that differ from the ones before, in any order.
var<workgroup> distinct: array<u32, SLOTS>;
var<workgroup> distinct_len: array<atomic<u32>, TEAMS>;
// 1 where a coherent candidate costs nothing.
var<workgroup> settled: array<atomic<u32>, TEAMS>;
var<workgroup> best_cost: array<atomic<u32>, TEAMS>;
var<workgroup> best_order: array<atomic<u32>, TEAMS>;

fn pack(example: u32, x: u32, y: u32) -> u32 {
    return x | (y << 12u) | (example << 24u);
}

fn channel_cost(difference: i32) -> u32 {
    let square = u32(difference * difference);
    let slope = (square * 19661u) >> 16u;
    return square - ((square * slope) >> 16u);
}

fn pixel_cost(a: u32, b: u32) -> u32 {
    return channel_cost(i32(a & 0xffu) - i32(b & 0xffu))
        + channel_cost(i32((a >> 8u) & 0xffu) - i32((b >> 8u) & 0xffu))
        + channel_cost(i32((a >> 16u) & 0xffu) - i32((b >> 16u) & 0xffu));
}

fn scatter(value: u32) -> u32 {
    var x = value;
    x ^= x >> 16u;
    x *= 0x7feb352du;
    x ^= x >> 15u;
    x *= 0x846ca68bu;
    return x ^ (x >> 16u);
}

// The high half of a product of 64 bits; `b` has 16 bits.
fn below(a: u32, b: u32) -> u32 {
    return ((a >> 16u) * b + (((a & 0xffffu) * b) >> 16u)) >> 16u;
}

fn draw(texture: Texture, step: u32, lane: u32) -> u32 {
    let hash = scatter((step * 64u + lane) ^ texture.draw_seed);
    if texture.narrow != 0u {
        let example = select(0u, hash & 1u, texture.examples == 2u);
        let sides = examples[texture.first_example + example];
        return pack(
            example,
            ((hash & 0xffffu) * sides.width) >> 16u,
            ((hash >> 16u) * sides.height) >> 16u,
        );
    }
    let example = below(hash, texture.examples);
    let sides = examples[texture.first_example + example];
    return pack(
        example,
        below(scatter(hash ^ 0x9e3779b9u), sides.width),
        below(scatter(hash ^ 0x3c6ef372u), sides.height),
    );
}

// The cost of a candidate; a number above `limit` where it is more than that.
fn cost_of(
    texture: Texture,
    level: u32,
    source: u32,
    sign: i32,
    first: u32,
    count: u32,
    limit: u32,
) -> u32 {
    let example = examples[texture.first_example + (source >> 24u)];
    let base = level + example.base;
    let x = i32(source & 0xfffu);
    let y = i32((source >> 12u) & 0xfffu);
    var cost = 0u;
    for (var index = first; index < first + count; index++) {
        let word = neighbour[index];
        let column = u32(x + sign * (i32(word & 0x7ffu) - 1024));
        let row = u32(y + sign * (i32((word >> 11u) & 0x7ffu) - 1024));
        // Around an example everything is black.
        var pixel = 0u;
        if column < example.width && row < example.height {
            pixel = atlas[base + row * example.width + column];
        }
        cost += pixel_cost(pixel, colour[index]) * (word >> 22u);
        if cost > limit {
            break;
        }
    }
    return cost;
}

@compute @workgroup_size(256)
fn resolve(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let texture = textures[group.x];
    let level = texture.atlas + pass_.level * texture.level_len;
    let pixels = group.x * pass_.size * pass_.size;
    let team = local / LANES;
    let lane = local % LANES;
    let slot = team * NEIGHBOURS;
    for (var wave = pass_.first_wave; wave < pass_.end_wave; wave++) {
        let end = waves[wave + 1u];
        for (var first = waves[wave]; first < end; first += TEAMS) {
            let at = (first + team) * STEP;
            var count = 0u;
            var head = 0u;
            let has_step = first + team < end;
            if has_step {
                head = steps[at];
                count = head >> 20u;
            }
            let x = head & 0x3ffu;
            let y = (head >> 10u) & 0x3ffu;
            if lane == 0u {
                atomicStore(&best_cost[team], NONE);
                atomicStore(&best_order[team], NONE);
                atomicStore(&distinct_len[team], 0u);
                atomicStore(&settled[team], 0u);
            }
            for (var index = lane; index < count; index += LANES) {
                let word = steps[at + 2u + index];
                let dx = i32(word & 0x7ffu) - 1024;
                let dy = i32((word >> 11u) & 0x7ffu) - 1024;
                let cell = u32(i32(y) + dy) * pass_.size + u32(i32(x) + dx);
                let source = cells[pixels + cell];
                let example = examples[texture.first_example + (source >> 24u)];
                let from_x = source & 0xfffu;
                let from_y = (source >> 12u) & 0xfffu;
                let to_x = u32(i32(from_x) - dx);
                let to_y = u32(i32(from_y) - dy);
                neighbour[slot + index] = word;
                colour[slot + index] = atlas[level + example.base + from_y * example.width + from_x];
                candidate[slot + index] = select(
                    NONE,
                    pack(source >> 24u, to_x, to_y),
                    to_x < example.width && to_y < example.height,
                );
            }
            workgroupBarrier();

            for (var index = lane; index < count; index += LANES) {
                let source = candidate[slot + index];
                var is_new = source != NONE;
                for (var other = 0u; is_new && other < index; other++) {
                    is_new = candidate[slot + other] != source;
                }
                if is_new {
                    distinct[slot + atomicAdd(&distinct_len[team], 1u)] = index;
                }
            }
            workgroupBarrier();

            // The best of this lane.
            var cost = NONE;
            var order = NONE;
            var best = 0u;
            let distinct_count = atomicLoad(&distinct_len[team]);
            for (var index = lane; index < distinct_count; index += LANES) {
                let its_order = distinct[slot + index];
                let source = candidate[slot + its_order];
                let limit = atomicLoad(&best_cost[team]);
                let its_cost = cost_of(texture, level, source, 1, slot, count, limit);
                if its_cost < cost || (its_cost == cost && its_order < order) {
                    cost = its_cost;
                    order = its_order;
                    best = source;
                    atomicMin(&best_cost[team], its_cost);
                    if its_cost == 0u {
                        atomicStore(&settled[team], 1u);
                    }
                }
            }
            workgroupBarrier();

            // A random candidate wins only with less than a coherent one. `best_cost` does not tell
            // whether one can: other lanes may have lowered it with random candidates already, and
            // this lane's may come before those in order.
            if has_step && atomicLoad(&settled[team]) == 0u {
                let number = steps[at + 1u];
                for (var index = lane; index < pass_.random_candidates; index += LANES) {
                    let source = draw(texture, number, index);
                    let limit = atomicLoad(&best_cost[team]);
                    let its_cost = cost_of(texture, level, source, pass_.sign, slot, count, limit);
                    if its_cost < cost {
                        cost = its_cost;
                        order = NEIGHBOURS + index;
                        best = source;
                        atomicMin(&best_cost[team], its_cost);
                    }
                }
            }
            workgroupBarrier();

            let wins = has_step && cost == atomicLoad(&best_cost[team]);
            if wins {
                atomicMin(&best_order[team], order);
            }
            workgroupBarrier();

            if wins && order == atomicLoad(&best_order[team]) {
                cells[pixels + y * pass_.size + x] = best;
            }
            storageBarrier();
            workgroupBarrier();
        }
    }
}
