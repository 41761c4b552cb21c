/* SPDX-License-Identifier: GPL-2.0-only */
#include "esp/tos.h"

bool tos_decap(uint8_t inner, uint8_t outer, bool dscp, uint8_t *ret_tos)
{
	uint8_t ecn = inner & TOS_ECN;

	switch ((enum tos_ecn)(outer & TOS_ECN)) {
	case ECN_CE:
		if (ecn == ECN_NOT_ECT)
			return false;
		ecn = ECN_CE;
		break;
	case ECN_ECT1:
		/* It may be a mark of its own, less severe than CE: the outer one counts. */
		if (ecn == ECN_ECT0)
			ecn = ECN_ECT1;
		break;
	case ECN_ECT0:
	case ECN_NOT_ECT:
		break;
	}
	*ret_tos = (dscp ? outer & TOS_DSCP : inner & TOS_DSCP) | ecn;
	return true;
}

void tos_set(uint8_t *pkt, uint8_t family, uint8_t tos)
{
	uint32_t sum;

	if (family == 6) {
		pkt[0] = (uint8_t)((pkt[0] & 0xf0) | tos >> 4);
		pkt[1] = (uint8_t)((pkt[1] & 0x0f) | tos << 4);
		return;
	}
	/* RFC 1624 eqn. 3; the word's other octet stays. */
	sum = (uint32_t)(uint16_t) ~(pkt[10] << 8 | pkt[11]) + (uint16_t)~pkt[1] + tos;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	pkt[10] = (uint8_t)(sum >> 8);
	pkt[11] = (uint8_t)sum;
	pkt[1] = tos;
}
