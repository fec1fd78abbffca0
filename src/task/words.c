/* words.c - the names and nouns that prompts are made of. Lists only grow at the end of a
 * version; changing one changes the fingerprint of every family that uses it. */
#include <string.h>

#include "task/gen.h"

const char *const name_list[N_NAME] = {
    "Ann",  "Ben",  "Cara", "Dan",  "Eva",  "Finn", "Gina", "Hugo", "Ida",  "Jack",
    "Kim",  "Leo",  "Mia",  "Noah", "Olga", "Paul", "Rosa", "Sam",  "Tina", "Uma",
    "Vera", "Will", "Yara", "Zoe",  "Alex", "Bo",   "Cleo", "Dora", "Emil", "Fay",
    "Gus",  "Hana", "Ivan", "Jane", "Karl", "Lena", "Max",  "Nora", "Otto", "Pia",
};

const char *const made_up_list[N_MADE_UP] = {
    "wumpus", "tumpus", "zumpus", "dumpus", "rompus", "numpus", "yumpus", "jompus",
    "blick",  "dax",    "fep",    "gorp",   "kiki",   "lorb",   "mib",    "nald",
    "pilk",   "quon",   "rill",   "snood",  "toma",   "ulm",    "vatch",  "wug",
    "yelp",   "zorn",   "brill",  "crup",   "drob",   "flim",   "grent",  "hask",
};

const struct thing thing_list[N_NOUN] = {
    {"cat", "cats", THING_ANIMAL},       {"dog", "dogs", THING_ANIMAL},
    {"horse", "horses", THING_ANIMAL},   {"goat", "goats", THING_ANIMAL},
    {"duck", "ducks", THING_ANIMAL},     {"rabbit", "rabbits", THING_ANIMAL},
    {"frog", "frogs", THING_ANIMAL},     {"owl", "owls", THING_ANIMAL},
    {"snail", "snails", THING_ANIMAL},   {"bear", "bears", THING_ANIMAL},
    {"plum", "plums", THING_FRUIT},      {"apple", "apples", THING_FRUIT},
    {"pear", "pears", THING_FRUIT},      {"banana", "bananas", THING_FRUIT},
    {"grape", "grapes", THING_FRUIT},    {"orange", "oranges", THING_FRUIT},
    {"fig", "figs", THING_FRUIT},        {"lemon", "lemons", THING_FRUIT},
    {"peach", "peaches", THING_FRUIT},   {"cherry", "cherries", THING_FRUIT},
    {"hammer", "hammers", THING_TOOL},   {"saw", "saws", THING_TOOL},
    {"drill", "drills", THING_TOOL},     {"spade", "spades", THING_TOOL},
    {"rake", "rakes", THING_TOOL},       {"axe", "axes", THING_TOOL},
    {"wrench", "wrenches", THING_TOOL},  {"file", "files", THING_TOOL},
    {"chisel", "chisels", THING_TOOL},   {"brush", "brushes", THING_TOOL},
    {"hat", "hats", THING_CLOTHES},      {"shirt", "shirts", THING_CLOTHES},
    {"scarf", "scarves", THING_CLOTHES}, {"coat", "coats", THING_CLOTHES},
    {"sock", "socks", THING_CLOTHES},    {"glove", "gloves", THING_CLOTHES},
    {"belt", "belts", THING_CLOTHES},    {"skirt", "skirts", THING_CLOTHES},
    {"boot", "boots", THING_CLOTHES},    {"vest", "vests", THING_CLOTHES},
};

const char *const word_list[N_WORD] = {
    "sun",        "map",      "key",      "box",      "rain",      "lamp",      "tree",
    "bird",       "milk",     "moon",     "rock",     "ship",      "door",      "fish",
    "hand",       "king",     "leaf",     "nest",     "page",      "ring",      "salt",
    "tent",       "wall",     "yard",     "bread",    "chair",     "cloud",     "dance",
    "earth",      "field",    "glass",    "heart",    "house",     "juice",     "knife",
    "light",      "money",    "music",    "night",    "ocean",     "paper",     "queen",
    "river",      "sheep",    "stone",    "table",    "tiger",     "train",     "water",
    "wheel",      "animal",   "basket",   "bottle",   "bridge",    "butter",    "button",
    "candle",     "castle",   "coffee",   "dinner",   "engine",    "family",    "flower",
    "forest",     "garden",   "guitar",   "hammer",   "island",    "jacket",    "kitten",
    "ladder",     "letter",   "market",   "mirror",   "mother",    "needle",    "orange",
    "pencil",     "pepper",   "pillow",   "planet",   "pocket",    "rabbit",    "school",
    "silver",     "spring",   "summer",   "ticket",   "tunnel",    "valley",    "window",
    "winter",     "balloon",  "banana",   "blanket",  "cabbage",   "chicken",   "kitchen",
    "lantern",    "library",  "machine",  "morning",  "mystery",   "penguin",   "picture",
    "rainbow",    "teacher",  "thunder",  "village",  "weather",   "airplane",  "dinosaur",
    "elephant",   "mountain", "notebook", "umbrella", "butterfly", "chocolate", "crocodile",
    "strawberry",
};

const char *thing_kind_name(enum thing_kind k)
{
    static const char *const name[N_THING_KIND] = {"animals", "fruits", "tools",
                                                   "pieces of clothing"};
    return name[k];
}

const char *small_number(int n)
{
    static const char *const word[] = {"zero", "one",    "two",   "three", "four",
                                       "five", "six",    "seven", "eight", "nine",
                                       "ten",  "eleven", "twelve"};
    return word[n];
}

const char *article(const char *noun)
{
    return strchr("aeiou", noun[0]) ? "an" : "a";
}
