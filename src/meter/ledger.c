/* ledger.c - requests that run, budgets, and the thread that writes.
 *
 *   begin --> running list --(ledger_end)--> ended list --(flush committed)--> freed
 *
 * Only a flush frees runs, after the transaction that holds their last row is committed; flushes
 * exclude each other by `db`. The engine thread only stores into a run's atomic counters.
 *
 * A key's spending is the store's total at the last flush, plus what ended since, plus for every
 * running request the larger of its reservation and its cost so far.
 */
#include "meter/ledger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "meter/energy.h"
#include "meter/ledger_int.h"

enum { MAX_KEYS = 4096, MAX_ENDED = 200000, MAX_JSON = 64 << 20 };

struct meter_run {
    struct meter_run *next, *prev;
    struct usage_rec rec;   /* as it began; the counts and cost are filled in at each flush */
    struct price_row price; /* the row in force at the start */
    bool has_price;
    int64_t reserved;     /* pico-units */
    int64_t flushed_cost; /* what the store has of it */
    struct usage_counts flushed;
    bool was_flushed;
    _Atomic int64_t hit, miss, output, reasoning, first_ms;
};

struct list {
    struct meter_run *head;
    size_t n;
};

struct live_key {
    struct key_info info;
    char hash[KEY_HASH_HEX];
};

struct ledger {
    struct store store;
    pthread_mutex_t db;   /* guards store */
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t wake;
    struct list running, ended;
    struct live_key *key; /* live ones only */
    size_t n_key;
    struct spend *spend;
    size_t n_spend;
    struct price_table prices;
    char keys_version[32], prices_version[32];
    int64_t failing_since_ms;
    int64_t total_cost, total_energy;
    bool stop;

    unsigned char secret[KEY_SECRET];
    char server[64];
    int flush_ms;
    bool tool, has_thread;
    struct energy energy; /* writer only */
    pthread_t thread;
};

/* ---- lists and costs (under lock) ------------------------------------------------------------ */

static void list_add(struct list *l, struct meter_run *r)
{
    r->prev = NULL;
    r->next = l->head;
    if (l->head) l->head->prev = r;
    l->head = r;
    l->n++;
}

static void list_remove(struct list *l, struct meter_run *r)
{
    if (r->prev)
        r->prev->next = r->next;
    else
        l->head = r->next;
    if (r->next) r->next->prev = r->prev;
    l->n--;
}

static struct usage_counts counts_now(const struct meter_run *r)
{
    return (struct usage_counts){
        .hit = atomic_load_explicit(&r->hit, memory_order_relaxed),
        .miss = atomic_load_explicit(&r->miss, memory_order_relaxed),
        .output = atomic_load_explicit(&r->output, memory_order_relaxed),
        .reasoning = atomic_load_explicit(&r->reasoning, memory_order_relaxed),
    };
}

static int64_t cost_of(const struct meter_run *r, const struct usage_counts *n)
{
    int64_t cost = 0;
    /* The reservation at the start bounds every later cost, and that one was checked. */
    if (!r->has_price || price_cost(&r->price, n, &cost, NULL)) return 0;
    return cost;
}

static struct spend *spend_of(struct ledger *l, int64_t key_id)
{
    for (size_t i = 0; i < l->n_spend; i++)
        if (l->spend[i].key_id == key_id) return &l->spend[i];
    return NULL;
}

static void spent_now(struct ledger *l, int64_t key_id, int64_t now_ms, struct spend *sum)
{
    struct period p = period_of(now_ms);
    const struct spend *base = spend_of(l, key_id);
    *sum = (struct spend){.key_id = key_id};
    if (base) {
        sum->total = base->total;
        if (base->day_no == p.day) sum->day = base->day;
        if (base->month_no == p.month) sum->month = base->month;
    }
    const struct list *lists[] = {&l->running, &l->ended};
    for (int i = 0; i < 2; i++) {
        for (const struct meter_run *r = lists[i]->head; r; r = r->next) {
            if (r->rec.key_id != key_id) continue;
            struct usage_counts n = counts_now(r);
            int64_t cost = cost_of(r, &n);
            if (i == 0 && r->reserved > cost) cost = r->reserved;
            cost -= r->flushed_cost;
            struct period q = period_of(r->rec.start_ms);
            sum->total += cost;
            if (q.day == p.day) sum->day += cost;
            if (q.month == p.month) sum->month += cost;
        }
    }
}

/* ---- refresh of keys and prices -------------------------------------------------------------- */

struct key_load {
    struct live_key *key;
    size_t n, size;
};

static int load_key(void *ctx, const struct key_info *k, struct span hash, struct err *e)
{
    struct key_load *kl = ctx;
    if (k->revoked_ms || hash.n != KEY_HASH_HEX - 1) return 0;
    if (kl->n == MAX_KEYS) return err_set(e, ERR_LIMIT, "more than %d live keys", MAX_KEYS);
    if (kl->n == kl->size) {
        size_t size = kl->size ? kl->size * 2 : 16;
        struct live_key *p = mem_realloc(kl->key, kl->size * sizeof *p, size * sizeof *p);
        if (!p) return err_oom(e, "the keys", size * sizeof *p);
        kl->key = p;
        kl->size = size;
    }
    kl->key[kl->n].info = *k;
    memcpy(kl->key[kl->n].hash, hash.p, hash.n);
    kl->key[kl->n++].hash[hash.n] = 0;
    return 0;
}

/* Under db. Reads keys and prices again when their counters moved, and spendings each time. */
static int refresh(struct ledger *l, struct err *e)
{
    struct buf v;
    buf_init(&v, MAX_JSON);
    int rc = -1;
    if (sql_meta_get(&l->store, "keys_version", &v, e)) goto out;
    if (strcmp(buf_str(&v), l->keys_version) != 0) {
        struct key_load kl = {0};
        if (sql_each_key(&l->store, load_key, &kl, e)) {
            mem_free(kl.key);
            goto out;
        }
        pthread_mutex_lock(&l->lock);
        mem_free(l->key);
        l->key = kl.key;
        l->n_key = kl.n;
        pthread_mutex_unlock(&l->lock);
        snprintf(l->keys_version, sizeof l->keys_version, "%s", buf_str(&v));
    }
    buf_clear(&v);
    if (sql_meta_get(&l->store, "prices_version", &v, e)) goto out;
    if (strcmp(buf_str(&v), l->prices_version) != 0) {
        char version[sizeof l->prices_version];
        struct price_table t = {0};
        int64_t n;
        snprintf(version, sizeof version, "%s", buf_str(&v));
        buf_clear(&v);
        if (sql_load_prices(&l->store, &v, &n, e)) goto out;
        if (n && price_parse(&t, buf_span(&v), "the ledger's price table", e)) goto out;
        t.version = n;
        pthread_mutex_lock(&l->lock);
        price_release(&l->prices);
        l->prices = t;
        pthread_mutex_unlock(&l->lock);
        snprintf(l->prices_version, sizeof l->prices_version, "%s", version);
    }
    int64_t now = clock_wall_ms();
    size_t n_key = l->n_key; /* changes only here and in key_add, both under db */
    struct spend *fresh = mem_calloc(n_key + 2, sizeof *fresh);
    if (!fresh) {
        err_oom(e, "the budgets", n_key * sizeof *fresh);
        goto out;
    }
    for (size_t i = 0; i < n_key + 2; i++) {
        fresh[i].key_id = i < n_key ? l->key[i].info.id : (int64_t)n_key - (int64_t)i;
        bool used = i >= n_key || l->key[i].info.budget >= 0 ||
                    l->key[i].info.budget_day >= 0 || l->key[i].info.budget_month >= 0;
        if (used && sql_load_spend(&l->store, &fresh[i], now, e)) {
            mem_free(fresh);
            goto out;
        }
    }
    pthread_mutex_lock(&l->lock);
    mem_free(l->spend);
    l->spend = fresh;
    l->n_spend = n_key + 2;
    pthread_mutex_unlock(&l->lock);
    rc = 0;
out:
    buf_release(&v);
    return rc;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct snapshot {
    struct meter_run *run;
    bool ended;
    struct usage_rec rec; /* a copy: ledger_end may change the run while the copy is written */
};

static bool differs(const struct meter_run *r, const struct usage_counts *n)
{
    return !r->was_flushed || n->hit != r->flushed.hit || n->miss != r->flushed.miss ||
           n->output != r->flushed.output || n->reasoning != r->flushed.reasoning;
}

/* Energy since the last flush, shared by the tokens produced since then. */
static void share_energy(struct ledger *l, struct snapshot *s, size_t n)
{
    int64_t tokens = 0;
    for (size_t i = 0; i < n; i++) {
        struct usage_counts c = counts_now(s[i].run);
        tokens += c.output + c.miss - s[i].run->flushed.output - s[i].run->flushed.miss;
    }
    uint64_t uj = energy_since(&l->energy, tokens > 0);
    if (tokens <= 0) return;
    for (size_t i = 0; i < n; i++) {
        struct usage_counts c = counts_now(s[i].run);
        int64_t mine = c.output + c.miss - s[i].run->flushed.output - s[i].run->flushed.miss;
        int64_t part = (int64_t)((double)uj * (double)mine / (double)tokens);
        s[i].run->rec.energy_uj += part;
        l->total_energy += part;
    }
}

static int write_all(struct ledger *l, struct snapshot *s, size_t n, struct err *e)
{
    if (store_exec(&l->store, "BEGIN", NULL, 0, NULL, NULL, e)) return -1;
    for (size_t i = 0; i < n; i++)
        if (sql_write_usage(&l->store, &s[i].rec, l->server, e)) goto fail;
    if (store_exec(&l->store, "COMMIT", NULL, 0, NULL, NULL, e)) goto fail;
    return 0;
fail:
    if (store_exec(&l->store, "ROLLBACK", NULL, 0, NULL, NULL, NULL)) return -1;
    return -1;
}

/* One transaction with everything that changed. Under db. */
static int flush(struct ledger *l, struct err *e)
{
    pthread_mutex_lock(&l->lock);
    size_t n = 0, most = l->running.n + l->ended.n;
    struct snapshot *s = mem_calloc(most ? most : 1, sizeof *s);
    if (!s) {
        pthread_mutex_unlock(&l->lock);
        return err_oom(e, "a flush of the ledger", most * sizeof *s);
    }
    for (struct meter_run *r = l->running.head; r; r = r->next) {
        struct usage_counts c = counts_now(r);
        if (differs(r, &c)) s[n++].run = r;
    }
    for (struct meter_run *r = l->ended.head; r; r = r->next) {
        s[n].run = r;
        s[n++].ended = true;
    }
    share_energy(l, s, n);
    for (size_t i = 0; i < n; i++) {
        struct meter_run *r = s[i].run;
        s[i].rec = r->rec;
        s[i].rec.n = counts_now(r);
        s[i].rec.first_ms = r->first_ms;
        s[i].rec.cost = cost_of(r, &s[i].rec.n);
    }
    pthread_mutex_unlock(&l->lock);

    int rc = n ? write_all(l, s, n, e) : 0;
    bool written = rc == 0;
    if (written) rc = refresh(l, e);

    pthread_mutex_lock(&l->lock);
    /* Only after the refresh: until then the runs carry what the old totals lack, and a budget
     * errs to the careful side. */
    for (size_t i = 0; written && i < n; i++) {
        struct meter_run *r = s[i].run;
        l->total_cost += s[i].rec.cost - r->flushed_cost;
        r->was_flushed = true;
        r->flushed = s[i].rec.n;
        r->flushed_cost = s[i].rec.cost;
        if (!s[i].ended) continue;
        list_remove(&l->ended, r);
        mem_free(r);
    }
    if (written)
        l->failing_since_ms = 0;
    else if (!l->failing_since_ms)
        l->failing_since_ms = clock_wall_ms();
    pthread_mutex_unlock(&l->lock);
    mem_free(s);
    return rc;
}

static void *writer(void *arg)
{
    struct ledger *l = arg;
    bool stop = false;
    while (!stop) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        int64_t ns = until.tv_nsec + (int64_t)l->flush_ms * 1000000;
        until.tv_sec += (time_t)(ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
        pthread_mutex_lock(&l->lock);
        while (!l->stop && pthread_cond_timedwait(&l->wake, &l->lock, &until) == 0) continue;
        stop = l->stop;
        pthread_mutex_unlock(&l->lock);
        struct err e = {0};
        pthread_mutex_lock(&l->db);
        if (flush(l, &e)) log_error("meter", "the ledger could not be written: %s", e.msg);
        pthread_mutex_unlock(&l->db);
    }
    return NULL;
}

int ledger_flush(struct ledger *l, struct err *e)
{
    pthread_mutex_lock(&l->db);
    int rc = flush(l, e);
    pthread_mutex_unlock(&l->db);
    return rc;
}

/* ---- open and close -------------------------------------------------------------------------- */

static int load_secret(struct ledger *l, struct err *e)
{
    struct buf v;
    buf_init(&v, 256);
    int rc = sql_meta_get(&l->store, "key_secret", &v, e);
    if (rc == 0 && v.len == 0) {
        unsigned char raw[KEY_SECRET];
        random_bytes(raw, sizeof raw);
        for (size_t i = 0; i < sizeof raw; i++) buf_printf(&v, "%02x", raw[i]);
        rc = sql_meta_set(&l->store, "key_secret", buf_str(&v), e);
    }
    if (rc == 0 && v.len != 2 * KEY_SECRET)
        rc = err_set(e, ERR_FORMAT, "the ledger's key secret has %zu characters, not %d", v.len,
                     2 * KEY_SECRET);
    for (size_t i = 0; rc == 0 && i < 2 * KEY_SECRET; i++) {
        int d = v.data[i] <= '9' ? v.data[i] - '0' : v.data[i] - 'a' + 10;
        l->secret[i / 2] = (unsigned char)(l->secret[i / 2] << 4 | (d & 15));
    }
    buf_release(&v);
    return rc;
}

int ledger_open(struct ledger **out, const struct ledger_opts *o, struct err *e)
{
    *out = NULL;
    if (keys_setup(e)) return -1;
    struct ledger *l = mem_calloc(1, sizeof *l);
    if (!l) return err_oom(e, "the ledger", sizeof *l);
    l->flush_ms = o->flush_ms ? o->flush_ms : 1000;
    l->tool = o->tool;
    snprintf(l->server, sizeof l->server, "%s", o->server ? o->server : "tarn");
    pthread_mutex_init(&l->db, NULL);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    if (o->pgsql ? store_pgsql_open(&l->store, o->pgsql, e)
                 : store_sqlite_open(&l->store, o->path, e))
        goto fail;
    if (sql_setup(&l->store, e) || load_secret(l, e)) goto fail;
    if (!o->tool && sql_mark_crashed(&l->store, l->server, e)) goto fail;
    if (refresh(l, e)) goto fail;
    energy_open(&l->energy, o->rapl ? o->rapl : "/sys/class/powercap",
                o->watts > 0 ? o->watts : 65);
    if (!o->tool && pthread_create(&l->thread, NULL, writer, l)) {
        err_set(e, ERR_FAILED, "the ledger's thread could not be started");
        goto fail;
    }
    l->has_thread = !o->tool;
    *out = l;
    return 0;
fail:
    ledger_close(l);
    return -1;
}

void ledger_close(struct ledger *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    if (l->has_thread) pthread_join(l->thread, NULL);
    struct list *lists[] = {&l->running, &l->ended};
    for (int i = 0; i < 2; i++) {
        while (lists[i]->head) {
            struct meter_run *r = lists[i]->head;
            log_error("meter", "request %s: its usage could not be written", r->rec.id);
            list_remove(lists[i], r);
            mem_free(r);
        }
    }
    energy_close(&l->energy);
    store_close(&l->store);
    price_release(&l->prices);
    mem_free(l->key);
    mem_free(l->spend);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    pthread_mutex_destroy(&l->db);
    mem_free(l);
}

/* ---- requests -------------------------------------------------------------------------------- */

static int over(int64_t limit, int64_t spent, int64_t more, const char *which,
                const char *currency, struct err *e)
{
    int64_t sum;
    if (limit < 0 || (!__builtin_add_overflow(spent, more, &sum) && sum <= limit)) return 0;
    char a[32], b[32], c[32];
    price_format_exact(limit, a);
    price_format_exact(spent, b);
    price_format_exact(more, c);
    return err_set(
        e, ERR_QUOTA,
        "Insufficient Balance: the key's %s budget is %s %s, %s is used or reserved, and "
        "this request may cost up to %s",
        which, a, currency, b, c);
}

int ledger_begin(struct ledger *l, struct meter_run **out, const struct usage_rec *start,
                 const struct key_info *key, struct err *e)
{
    *out = NULL;
    struct meter_run *r = mem_calloc(1, sizeof *r);
    if (!r) return err_oom(e, "a usage record", sizeof *r);
    r->rec = *start;
    r->rec.n = (struct usage_counts){0};
    snprintf(r->rec.reason, sizeof r->rec.reason, "running");
    pthread_mutex_lock(&l->lock);
    const struct price_row *p = price_find(&l->prices, span_of(r->rec.model), start->start_ms);
    if (p) {
        r->price = *p;
        r->has_price = true;
        r->rec.price_version = l->prices.version;
        memcpy(r->rec.currency, p->currency, sizeof r->rec.currency);
    } else {
        memcpy(r->rec.currency, "USD", 4);
    }
    int rc = price_cost(p, &start->n, &r->reserved, e);
    if (rc == 0 && l->ended.n >= MAX_ENDED)
        rc = err_set(e, ERR_BUSY, "%zu finished requests wait to be written to the ledger",
                     l->ended.n);
    if (rc == 0 && l->failing_since_ms && clock_wall_ms() - l->failing_since_ms > 30000)
        rc = err_set(e, ERR_BUSY,
                     "the ledger cannot be written since %lld s, see the server's log",
                     (long long)(clock_wall_ms() - l->failing_since_ms) / 1000);
    if (rc == 0 && key &&
        (key->budget >= 0 || key->budget_day >= 0 || key->budget_month >= 0)) {
        struct spend sp;
        spent_now(l, key->id, clock_wall_ms(), &sp);
        if (over(key->budget, sp.total, r->reserved, "total", r->rec.currency, e) ||
            over(key->budget_day, sp.day, r->reserved, "daily", r->rec.currency, e) ||
            over(key->budget_month, sp.month, r->reserved, "monthly", r->rec.currency, e))
            rc = -1;
    }
    if (rc == 0) list_add(&l->running, r);
    pthread_mutex_unlock(&l->lock);
    if (rc)
        mem_free(r);
    else
        *out = r;
    return rc;
}

void meter_count(struct meter_run *r, const struct usage_counts *n)
{
    atomic_store_explicit(&r->hit, n->hit, memory_order_relaxed);
    atomic_store_explicit(&r->miss, n->miss, memory_order_relaxed);
    atomic_store_explicit(&r->reasoning, n->reasoning, memory_order_relaxed);
    atomic_store_explicit(&r->output, n->output, memory_order_relaxed);
    if (n->output && !atomic_load_explicit(&r->first_ms, memory_order_relaxed))
        atomic_store_explicit(&r->first_ms, clock_wall_ms(), memory_order_relaxed);
}

void ledger_end(struct ledger *l, struct meter_run *r, const char *reason)
{
    int64_t now = clock_wall_ms();
    pthread_mutex_lock(&l->lock);
    r->rec.end_ms = now;
    snprintf(r->rec.reason, sizeof r->rec.reason, "%s", reason);
    list_remove(&l->running, r);
    list_add(&l->ended, r);
    pthread_mutex_unlock(&l->lock);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static int bump(struct ledger *l, const char *counter, struct err *e)
{
    char v[32];
    snprintf(v, sizeof v, "%016llx", (unsigned long long)random_u64());
    return sql_meta_set(&l->store, counter, v, e);
}

int ledger_key_add(struct ledger *l, const struct key_info *in, char text[KEY_TEXT],
                   int64_t *id, struct err *e)
{
    struct key_info k = *in;
    char hash[KEY_HASH_HEX];
    key_generate(text);
    key_hash(l->secret, span_of(text), hash);
    memcpy(k.shown, text, KEY_SHOWN);
    k.shown[KEY_SHOWN] = 0;
    k.created_ms = clock_wall_ms();
    k.revoked_ms = 0;
    pthread_mutex_lock(&l->db);
    int rc = sql_add_key(&l->store, &k, hash, e);
    if (rc == 0) rc = bump(l, "keys_version", e);
    if (rc == 0) rc = refresh(l, e);
    pthread_mutex_unlock(&l->db);
    *id = k.id;
    return rc;
}

int ledger_key_revoke(struct ledger *l, struct span id_or_name, struct err *e)
{
    pthread_mutex_lock(&l->db);
    int rc = sql_revoke_key(&l->store, id_or_name, clock_wall_ms(), e);
    if (rc == 0) rc = bump(l, "keys_version", e);
    if (rc == 0) rc = refresh(l, e);
    pthread_mutex_unlock(&l->db);
    return rc;
}

bool ledger_has_keys(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    bool any = l->n_key > 0;
    pthread_mutex_unlock(&l->lock);
    return any;
}

bool ledger_auth(struct ledger *l, struct span text, struct key_info *out)
{
    char hash[KEY_HASH_HEX];
    bool found = false;
    int64_t now = clock_wall_ms();
    if (text.n > 512) return false;
    key_hash(l->secret, text, hash);
    pthread_mutex_lock(&l->lock);
    /* Every key is compared, so the time does not tell which one fitted. */
    for (size_t i = 0; i < l->n_key; i++) {
        if (!key_hash_equal(hash, l->key[i].hash)) continue;
        if (l->key[i].info.expires_ms && l->key[i].info.expires_ms <= now) continue;
        *out = l->key[i].info;
        found = true;
    }
    pthread_mutex_unlock(&l->lock);
    return found;
}

void ledger_spent(struct ledger *l, int64_t key_id, int64_t *total, int64_t *day,
                  int64_t *month)
{
    struct spend sp;
    pthread_mutex_lock(&l->lock);
    spent_now(l, key_id, clock_wall_ms(), &sp);
    pthread_mutex_unlock(&l->lock);
    *total = sp.total;
    *day = sp.day;
    *month = sp.month;
}

uint64_t ledger_user_hash(struct ledger *l, struct span user_id)
{
    return user_id.n ? key_hash64(l->secret, user_id) | 1 : 0;
}

static void amount(struct buf *out, const char *name, int64_t pico)
{
    char text[32];
    price_format_exact(pico, text);
    if (pico < 0)
        buf_printf(out, ",\"%s\":null", name);
    else
        buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

static void instant(struct buf *out, const char *name, int64_t ms)
{
    char iso[24];
    clock_iso8601(ms, iso);
    if (ms)
        buf_printf(out, ",\"%s\":\"%s\"", name, iso);
    else
        buf_printf(out, ",\"%s\":null", name);
}

struct key_print {
    struct ledger *l;
    struct buf *out;
    int n;
};

static int print_key(void *ctx, const struct key_info *k, struct span hash, struct err *e)
{
    struct key_print *kp = ctx;
    int64_t total, day, month;
    (void)hash;
    (void)e;
    ledger_spent(kp->l, k->id, &total, &day, &month);
    buf_printf(kp->out, "%s\n{\"id\":%lld,\"name\":", kp->n++ ? "," : "", (long long)k->id);
    buf_add_json(kp->out, span_of(k->name));
    buf_add_str(kp->out, ",\"begins\":");
    buf_add_json(kp->out, span_of(k->shown));
    instant(kp->out, "created", k->created_ms);
    instant(kp->out, "revoked", k->revoked_ms);
    instant(kp->out, "expires", k->expires_ms);
    buf_printf(kp->out, ",\"admin\":%s,\"models\":", k->admin ? "true" : "false");
    buf_add_json(kp->out, span_of(k->models));
    amount(kp->out, "budget", k->budget);
    amount(kp->out, "budget_day", k->budget_day);
    amount(kp->out, "budget_month", k->budget_month);
    buf_printf(kp->out, ",\"rpm\":%lld,\"tpm\":%lld,\"concurrent\":%lld", (long long)k->rpm,
               (long long)k->tpm, (long long)k->concurrent);
    amount(kp->out, "spent", total);
    amount(kp->out, "spent_day", day);
    amount(kp->out, "spent_month", month);
    buf_add_char(kp->out, '}');
    return 0;
}

int ledger_keys_json(struct ledger *l, struct buf *out, struct err *e)
{
    struct key_print kp = {l, out, 0};
    buf_add_str(out, "{\"keys\":[");
    pthread_mutex_lock(&l->db);
    int rc = sql_each_key(&l->store, print_key, &kp, e);
    pthread_mutex_unlock(&l->db);
    buf_add_str(out, "]}\n");
    return rc ? rc : buf_ok(out, "the list of keys", e);
}

/* ---- prices and questions -------------------------------------------------------------------- */

int ledger_set_prices(struct ledger *l, struct price_table *t, struct err *e)
{
    struct buf json;
    buf_init(&json, MAX_JSON);
    price_write(t, &json);
    int64_t version;
    int rc = buf_ok(&json, "the price table", e);
    pthread_mutex_lock(&l->db);
    if (rc == 0) rc = sql_add_prices(&l->store, buf_span(&json), clock_wall_ms(), &version, e);
    if (rc == 0) rc = bump(l, "prices_version", e);
    if (rc == 0) rc = refresh(l, e);
    pthread_mutex_unlock(&l->db);
    buf_release(&json);
    if (rc == 0) price_release(t);
    return rc;
}

void ledger_prices_json(struct ledger *l, struct buf *out)
{
    pthread_mutex_lock(&l->lock);
    buf_printf(out, "{\"version\":%lld,", (long long)l->prices.version);
    size_t at = out->len;
    price_write(&l->prices, out);
    pthread_mutex_unlock(&l->lock);
    /* price_write opens an object of its own: drop its brace, ours is open already. */
    if (!out->failed && out->len > at) {
        memmove(out->data + at, out->data + at + 1, out->len - at);
        out->len--;
    }
}

int ledger_usage_json(struct ledger *l, int64_t from_ms, int64_t to_ms, enum usage_group g,
                      int64_t key_id, struct buf *out, struct err *e)
{
    pthread_mutex_lock(&l->db);
    int rc = l->tool ? 0 : flush(l, e);
    if (rc == 0) rc = sql_usage_json(&l->store, from_ms, to_ms, g, key_id, out, e);
    pthread_mutex_unlock(&l->db);
    buf_printf(out, ",\"energy_source\":\"%s\",\"estimate_watts\":%.0f}\n",
               energy_source(&l->energy), l->energy.watts);
    return rc;
}

const char *ledger_energy_source(const struct ledger *l)
{
    return energy_source(&l->energy);
}

void ledger_totals(struct ledger *l, int64_t *cost, int64_t *energy_uj)
{
    pthread_mutex_lock(&l->lock);
    *cost = l->total_cost;
    *energy_uj = l->total_energy;
    pthread_mutex_unlock(&l->lock);
}
