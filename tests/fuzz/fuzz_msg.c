/* SPDX-License-Identifier: GPL-2.0-only */
/* A datagram as it comes from the network: header and outer payloads. [ROB-1] */
#include "touch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ike_msg msg;
	uint8_t critical = 0;

	if (msg_decode(data, size, &msg, &critical) == MSG_OK)
		touch_msg(&msg);
	return 0;
}
