/* SPDX-License-Identifier: GPL-2.0-only */
/* Traffic classes of what enters the inner device, at its egress. With the engine's, the program
 * that the TUN driver asks for a queue sends each class to its own: the queue is all that the
 * engine needs to look at; what a packet says of itself is believed here only. With an XFRM
 * interface class, flow and line go in the mark, which encryption leaves as it is but for the SA's
 * index in the place of the line.
 */
#include "lib/lines.h"

char LICENSE[] SEC("license") = "GPL";

enum { TC_ACT_UNSPEC = -1 };

SEC("tc")
int classify_tc(struct __sk_buff *skb)
{
	skb->queue_mapping = CLASSIFY_QUEUE | classify(skb);
	bpf_get_hash_recalc(skb); /* it stays in skb->hash, for the other program */
	return TC_ACT_UNSPEC;
}

SEC("tc")
int classify_mark(struct __sk_buff *skb)
{
	skb->mark = classify_marked(skb);
	return TC_ACT_UNSPEC;
}

/* At the ingress of an XFRM interface. */
SEC("tc")
int classify_reply(struct __sk_buff *skb)
{
	lines_look(skb);
	return TC_ACT_UNSPEC;
}

/* Queues stand by class, and of each class one for each packet thread, which its flow decides. */
SEC("socket")
int class_queue(struct __sk_buff *skb)
{
	__u32 key = 0, mapping = skb->queue_mapping, klass = 0, workers;
	const struct classify_cur *cur = bpf_map_lookup_elem(&class_cur, &key);

	workers = cur ? cur->workers : 0;
	if (!workers)
		return 0;
	if ((mapping & CLASSIFY_QUEUE_MASK) == CLASSIFY_QUEUE)
		klass = mapping & CLASSIFY_QUEUE_CLASS;
	if (klass >= STEER_CLASSES)
		klass = 0;
	return klass * workers + skb->hash % workers;
}
