/* SPDX-License-Identifier: GPL-2.0-only */
/* Words and shapes of the control protocol, version 1. braid-control(7) is the same for users.
 *
 * One JSON object a line, at most CTL_LINE_MAX octets towards the agent. Names end in their unit.
 * Times are CLOCK_MONOTONIC microseconds beside a "now_usec"; SPIs are hex strings without 0x
 * (16 digits for IKE, 8 for ESP); addresses are text, with port as "192.0.2.1:4500".
 * A member that is not known is null or absent.
 *
 *   -> {"v":1,"id":7,"cmd":"up","name":"home","child":"net"}
 *   <- {"v":1,"id":7,"event":{"kind":"progress","text":"..."},"done":false}      any number
 *   <- {"v":1,"id":7,"data":{...},"done":false}                                  any number
 *   <- {"v":1,"id":7,"done":true,"error":null | {"code":"failed","text":"..."}}  exactly one
 *
 * What changes something ends with "denied" for those who may only read.
 *
 * Requests (besides v, id, cmd) and their data:
 *
 * up, down, rekey   "name", "child" optional; "timeout_usec" optional (up: default 60 s).
 *                   Events of kind "progress" until done. "line" optional: of one IKE SA of it.
 * clone   the same: another IKE SA beside that of the connection (RFC 7791), and "child" on it;
 *   "refused" without "line" if it has several peers.
 * consent           "conn" optional. {"wait_usec","wait_max_usec"}, then events of kind
 *                   "address-leaving" and "address-gone" until the client leaves.
 * consent-answer    "token","answer":"yes"|"wait"; "wait_usec" optional. "wait": {"wait_usec"}.
 * path-disable, path-enable   "name": a path's name; "conn" optional.
 * path-prefer       the same, and "clear" optional: true, no path of its relation is preferred.
 * path-test         the same, without "clear"; "count" (10), "interval_usec" (100000), "octets" (of
 *   IP packets) optional. Events of kind "progress" with "path","seq","rtt_usec","octets", then
 *   {"path","by":"probes"|"ike","sent","answered","loss_permille","rtt_min_usec","rtt_avg_usec",
 *   "rtt_max_usec","rtt_mdev_usec","mtu","mtu_from"}; "no-answer" if there was none.
 * mmx-list          "conn" optional. {"now_usec","relations":[{"conn","line","initiator","on",
 *   members of "mmx" in sas,"bindings":[{"id","sas","paths":[{"id":"3-1","local","remote",
 *   "verified","nat","boot","alternate"}]}]}]}
 * mmx-update, mmx-add, mmx-remove, mmx-alternates, mmx-failover, mmx-add-interface,
 *   mmx-delete-interface, mmx-check ("action")   "conn" or "line"; "old","new","alternates","to",
 *   "from": endpoints (3, "192.0.2.2", "wlan", "if:2", "ike"), "side":"own"|"peer"; "child","spis",
 *   "all","ike"; "hard","best_effort","here","observed","check","parallel","prune","inner",
 *   "inner_old": ctl/mmx_args.h. {"action":"update","status":"ok","detail"|null,"why"|null,
 *   "affected","valid_sec"|null,"pending","renegotiate","limit"|null}; "peer-refused"
 * mmx-probe         "conn" or "line"; "path":"3-1", or "local" and "remote"; "keep". {"path",
 *   "rtt_usec","nat","seen":"192.0.2.2:4500"|null}; "no-answer", with {"path","stranger"}: somebody
 *   is there who does not know this IKE SA
 * reload            done with "failed" and the file:line text on a mistake; nothing changed then.
 * flush             removes pins, device, programs; "refused" while SAs exist unless "force":true.
 * events            {"now_usec"}, then endless events (see below) until the client leaves.
 * version           {"version":"0.1","protocol":1,"pid":1}
 *
 * status  {"version","pid","now_usec","started_usec","config":"/etc/braid/braid.conf",
 *   "state_dir","pin_dir",
 *   "engine":{"connected":true,"pid":1,"workers":2,"crypto":"ipsec-mb","tun":"braidtun0",
 *             "started_usec"},
 *   "esp":{"by":"engine"|"kernel","why":"..."} (with the kernel's "engine" tells of that: its pid
 * is the agent's, "workers" 0, "crypto" "kernel", "tun" the XFRM interface),
 *   "steer":{"device":"braid0","ifindex":9},
 *   "uplinks":[{"name":"wlan","id":1,"kind":"wlan","interface":"wlan0","ifindex":3,"up":true,
 *               "addresses":["192.0.2.2"],"endpoints":[{"id":1,"address":"192.0.2.2"}],"weight":1,"preference":0,
 *               "attach":"tc","attach_why":"..."}],
 *   "conns":[{"name":"home","state":"down"|"connecting"|"established",
 *             "wanted":true,"held":false,"retry_usec":null,
 *             "remote_addrs":["198.51.100.1"],"multipath":true,"clones":null|{"wanted":2,"there":2,"why":"..."|null},
 *             "families":1,"lines":1,
 *             "paths":2,"paths_up":2,
 *             "children":[{"name":"net","state":"down"|"installed","held":false}],
 *             "last_error":"..."|null,"last_error_usec":null}]}
 *
 * Long lists (sas, paths, conns, counters) come in several data messages, each with some of the
 * entries: the whole is all of them together.
 *
 * sas  {"now_usec","ike_sas":[{"conn":"home","state":"ESTABLISHED","initiator":true,
 *   "family":1,"line":1,"clone_of"|null,"clone":true,"session_usec","family_ike_sas":1,
 *   "family_children":1,"paths":["wlan-1"],"shares_with":[2],"standby_why":null|STANDBY,
 *   "family_totals":{"rx_packets","rx_octets","tx_packets","tx_octets"} (these three: of several
 *   IKE SAs of one family, the totals with the
 * first),"mmx":null|{"caps":["iface"],"ours":IFACES,"peer":IFACES|null,"bindings":[BINDING]},"role":"I"|"R","spi_i":"...","spi_r":"...","local":"192.0.2.2:4500",
 *   "remote":"198.51.100.1:4500","nat_local":false,"nat_remote":false,"local_id":"...",
 *   "remote_id":"...","suite":"aes256gcm16-prfsha384-ecp384","since_usec","rekey_usec"|null,
 *   "reauth_usec"|null,"ends_usec"|null,"vendor_ids":["strongSwan"],"vips":["10.3.0.1"],
 *   "children":[{"id":1,"name":"net","state":"INSTALLED","mode":"tunnel","spi_in":"...",
 *     "spi_out":"...","binding":1 (absent: the IKE
 * SA's),"cpu":0 (absent: for all),"suite":"aes128gcm16-esn","esn":true,"encap":true,"since_usec",
 *     "rekey_usec"|null,"ends_usec"|null,"rekey_octets"|null,"life_octets"|null,
 *     "rekey_packets"|null,"life_packets"|null,
 *     "local_ts":["10.3.0.1/32"],"remote_ts":["10.1.0.0/24"],"driver":"ipsec-mb",
 *     "rx_packets","rx_octets","tx_packets","tx_octets","seq_out","seq_in_high","rx_missing",
 *     "drop_replay","duplicates","drop_integrity","drop_malformed","drop_ts","drop_ecn",
 *     "last_rx_usec","last_tx_usec"}]}]}
 *
 * IFACES  {"generation":1,"interfaces":[{"id":1,"name":"wlan"|null,"link":"wlan","up":true,
 *   "metered":false,"backup":false,"nat":false,"preference":0,"mtu":1500|null,
 *   "endpoints":[{"id":1,"address":"192.0.2.2","current":true}]}]}
 *
 * BINDING  {"id":3,"sas":1,"children":[{"name":"net","spi_in":"..."}],"paths":[{"id":"1-1",
 *   "name":"wlan-1","local","remote","state":"up","verified":true,"nat":false,"alternate":false,
 *   "boot":false}]}
 *
 * STANDBY
 * "metered","peer","other_preferred","same_pair","alternate","ending","group_full","no_child"
 *
 * paths  "conn" optional. {"now_usec","paths":[{"id":1,"conn":"home","name":"wlan-1",
 *   "family":1,"line":1,"family_lines":1,
 *   "uplink":"wlan","interface":"wlan0","ifindex":3,"epid_i":1,"epid_r":1,
 *   "local":"192.0.2.2:4500","remote":"198.51.100.1:4500","observed":"192.0.2.2:4500",
 *   "state":"unknown"|"up"|"degraded"|"down"|"disabled","why":"probes are answered",
 *   "since_usec","verified":true,"checked_by":"probes"|"ike","peer_use":true,"peer_standby":false,"preferred":false,"one_way":false,"in_group":true,
 *   "rtt_usec","rtt_min_usec","jitter_usec","loss_permille","weight":1,"share":1,
 *   "standby":false,"standby_why":null|STANDBY,"mtu":1500,
 *   "tx_packets","tx_octets","rx_packets","rx_octets","rate_usec"|null,"tx_packets_sec"|null,
 *   "tx_octets_sec","rx_packets_sec","rx_octets_sec","esp_loss_in_permille"|null,"share_permille"|null,
 *   "nat_local":true|false|null,"nat_remote","attach":"tc","attach_why":"..."}],
 *   "pairs":[{"conn","name","line","uplink","local","remote","state":"standby","why","preferred",
 *   "rtt_usec","rtt_min_usec","jitter_usec","tested_usec"|null,"answered_usec"|null}]}
 *
 * conns  "conn" optional. {"now_usec","conns":[{"name":"home","local_addrs":[],"remote_addrs":[],
 *   "remote_port":500,"local":{"id","id_type":"FQDN","auth":"psk"|"pubkey","hashes":["sha256"],
 *   "rsa_padding":"pss"|"pkcs1"|null,"certs":["CN=u"]},
 *   "remote":{"id"|null,"id_type"|null,"auth","hashes","rsa_padding","key_types":["rsa"],
 *     "key_bits_min"|null,"cacerts":["CN=CA"],"certs":["CN=u"],"revocation":"relaxed"|null,"crls":0,
 *     "ocsp_responses":0},
 *   "proposals":["aes256gcm16-prfsha256-ecp256"],"vips":[],"pools":["p"],
 *   "pool_addrs":["10.3.0.1-10.3.0.254"],"multipath":true,"clones":null|{"order":"child_first"|"move_first","pairs":"each"|"all"},
 *   "mobike":true,"mobike_patience_usec"|null,"return_check":"before"|"after"|"skip"|null,"clone":true,"ike_sas_max":16,"child_sas_max":200,"derived_sas_max":256,"public_key_bits":0,"nat":"accept"|"refuse","encap":true,"ocsp":"reply","unique":"no","window":1,"fragmentation":"yes"|"no"|"force","fragment_size"|null,
 *   "rekey_time_usec"|null,"reauth_time_usec"|null,"over_time_usec"|null,"rand_time_usec"|null,
 *   "dpd_delay_usec"|null,"keep_alive_usec"|null,"retransmit_timeout_usec","retransmit_base":1.8,
 *   "retransmit_tries","paths":[{"name","uplink","remote","weight"}],
 *   "children":[{"name","mode","start_action":"none"|"start","copy_dscp",
 *     "df":"set"|"copy"|"clear","tfc_padding":0|"mtu","per_cpu":0,"per_cpu_max":32,"local_ts":["dynamic"],"remote_ts","esp_proposals","rekey_time_usec"|null
 * and life_, rand_; the same with _bytes, _packets}]}],
 *   "limits":{"cookie_threshold","init_limit_half_open","block_threshold",
 *     "half_open_timeout_usec"} (without "conn")}
 *
 * counters  "conn" optional. {"since_usec","total":COUNTERS (without
 * "conn"),"now_usec","conns":[{"name",COUNTERS of one connection}]}. COUNTERS: those of "ike" in
 * stats; "exchanges":{"IKE_SA_INIT":
 *   {"requests_tx","responses_rx","requests_rx","responses_tx"},...}; "errors_tx" and "errors_rx":
 *   {"TS_UNACCEPTABLE":1}, what is not 0
 *
 * counters-reset  no data: those and these begin at 0 again
 *
 * stats  {"now_usec","since_usec":{"ike","engine","drops"|null,"ctl"},"ike":{every counter of
 * FOREACH_IKE_COUNTER by its name}, "engine":{every counter of struct engine_counters by its name}
 * | null, "drops":{"NO_SA":0, every reason of the maps by its name},
 *   "ctl":{"clients","requests","events_lost","clients_dropped"}}
 *
 * certs  {"now_sec","certs":[{"subject":"C=CH, CN=gw","issuer","serial":"07","use":"own"|
 *   "intermediate"|"ca"|"peer","not_before","not_after","key":"ECDSA P-256","conns":["home"],
 *   "state":"valid"|"not yet valid"|"expired",
 *   "ocsp":null|{"state":"good","from"|null,"until"|null} (ours)}]}     times in seconds since 1970
 *
 * keys   "refused" unless allow_key_export. {"ike":[{"spi_i","spi_r","sk_ei","sk_er","sk_ai",
 *   "sk_ar" (hex, key and salt together),"encr":"aes256gcm16","integ":"sha256"|""}],
 *   "esp":[{"spi","encr":"aes128gcm16","key":hex,"integ":""|"sha256","integ_key":hex,
 *   "src":"192.0.2.2","dst":"198.51.100.1"}]}      one entry per direction
 *
 * Events: {"kind":one of FOREACH_CTL_EVENT,"text":"one line for people","conn","child","path",
 *   "uplink","interface","state","why","spi_i","spi_r","time_usec","realtime_usec"}: what applies;
 *   of decisions also "by","from","to","lasted_usec","silent_usec";
 *   of addresses "addresses","by","line","token","wait_usec";
 *   both times are added by the server. "lost" has "count": events this client was too slow for.
 */
#ifndef BRAID_CTL_JSON_H
#define BRAID_CTL_JSON_H

enum {
	CTL_VERSION = 1,
	CTL_LINE_MAX = 65536,	  /* a request, with its newline */
	CTL_REPLY_MAX = 16 << 20, /* a line from the agent, as the client accepts it */
	CTL_UP_TIMEOUT_SEC = 60,
};

/* How a request ended: word in "error"."code", exit code of the CLI. */
#define FOREACH_CTL_CODE(X)                                                                        \
	X(FAILED, "failed", 1)                                                                     \
	X(NOT_FOUND, "not-found", 1)                                                               \
	X(USAGE, "usage", 2)                                                                       \
	X(REFUSED, "refused", 4)                                                                   \
	X(TIMEOUT, "timeout", 5)                                                                   \
	X(NO_ANSWER, "no-answer", 6)                                                               \
	X(AUTH_FAILED, "auth-failed", 7)                                                           \
	X(PEER_REFUSED, "peer-refused", 8)                                                         \
	X(DENIED, "denied", 9)

enum ctl_code {
	CTL_OK,
#define X(n, word, exit) CTL_##n,
	FOREACH_CTL_CODE(X)
#undef X
};

#define FOREACH_CTL_EVENT(X)                                                                       \
	X(PROGRESS, "progress")                                                                    \
	X(IKE_UP, "ike-up")                                                                        \
	X(IKE_DOWN, "ike-down")                                                                    \
	X(IKE_REKEYED, "ike-rekeyed")                                                              \
	X(IKE_CLONED, "ike-cloned")                                                                \
	X(SESSION_ENDED, "session-ended")                                                          \
	X(CHILD_UP, "child-up")                                                                    \
	X(CHILD_DOWN, "child-down")                                                                \
	X(CHILD_REKEYED, "child-rekeyed")                                                          \
	X(FAILED, "failed")                                                                        \
	X(PEER_MOVED, "peer-moved")                                                                \
	X(MOVED, "moved")                                                                          \
	X(MOVE_REFUSED, "move-refused")                                                            \
	X(PEER_ADDRS, "peer-addresses")                                                            \
	X(UNANSWERED, "unanswered")                                                                \
	X(PATH_ANSWERED, "path-answered")                                                          \
	X(PATH_TESTED, "path-tested")                                                              \
	X(MMX_ANSWERED, "mmx-answered")                                                            \
	X(MMX_PROBED, "mmx-probed")                                                                \
	X(MMX_PEER_IFACES, "mmx-peer-interfaces")                                                  \
	X(MMX_CHANGED, "mmx-changed")                                                              \
	X(PATH_ADDED, "path-added")                                                                \
	X(PATH_STATE, "path-state")                                                                \
	X(PATH_PREFERRED, "path-preferred")                                                        \
	X(PATH_MOVED, "path-moved")                                                                \
	X(PATH_REMOVED, "path-removed")                                                            \
	X(CLASS, "class")                                                                          \
	X(BUDGET, "budget")                                                                        \
	X(UPLINK_UP, "uplink-up")                                                                  \
	X(UPLINK_DOWN, "uplink-down")                                                              \
	X(UPLINK_CHANGED, "uplink-changed")                                                        \
	X(NEW_SOURCE, "new-source")                                                                \
	X(UNKNOWN_SPI, "unknown-spi")                                                              \
	X(ADDRESS_LEAVING, "address-leaving")                                                      \
	X(ADDRESS_GONE, "address-gone")                                                            \
	X(ENGINE_UP, "engine-up")                                                                  \
	X(ENGINE_DOWN, "engine-down")                                                              \
	X(RELOADED, "reloaded")                                                                    \
	X(LOST, "lost")

enum ctl_event {
#define X(n, word) CTL_EV_##n,
	FOREACH_CTL_EVENT(X)
#undef X
};

/* Static words. */
const char *ctl_code_word(enum ctl_code code);	 /* "" for CTL_OK */
const char *ctl_event_word(enum ctl_event kind); /* "ike-up" */
/* The CLI's exit code for a word; 1 for one we do not know. */
int ctl_code_exit(const char *word);

#endif
