/* SPDX-License-Identifier: GPL-2.0-only */
/* base/list: order, removal while walking, removal twice. */
#include <criterion/criterion.h>

#include "base/list.h"

struct item {
	int n;
	struct list node;
};

/* The numbers in order, both ways. */
static void check(const struct list *head, const int *want, size_t n)
{
	size_t i = 0;

	list_for_each (it, head)
		cr_assert(i < n && list_entry(it, struct item, node)->n == want[i++]);
	cr_assert_eq(i, n);
	for (const struct list *it = head->prev; it != head; it = it->prev)
		cr_assert_eq(list_entry(it, struct item, node)->n, want[--i]);
	cr_assert_eq(i, 0);
	cr_assert_eq(list_empty(head), n == 0);
}

Test(list, order_and_removal)
{
	struct item a[4] = { { .n = 0 }, { .n = 1 }, { .n = 2 }, { .n = 3 } };
	struct list head;

	list_init(&head);
	check(&head, NULL, 0);
	for (int i = 0; i < 4; i++)
		list_append(&head, &a[i].node);
	check(&head, (int[]){ 0, 1, 2, 3 }, 4);
	list_remove(&a[1].node);
	check(&head, (int[]){ 0, 2, 3 }, 3);
	list_remove(&a[0].node);
	list_remove(&a[3].node);
	check(&head, (int[]){ 2 }, 1);
	list_append(&head, &a[0].node);
	check(&head, (int[]){ 2, 0 }, 2);
}

Test(list, removal_twice_and_of_what_was_never_in_one)
{
	struct item a = { .n = 1 }, b = { .n = 2 }, alone;
	struct list head;

	list_init(&head);
	list_init(&alone.node);
	list_append(&head, &a.node);
	list_append(&head, &b.node);
	list_remove(&a.node);
	list_remove(&a.node);
	list_remove(&alone.node);
	check(&head, (int[]){ 2 }, 1);
}

Test(list, removal_while_walking)
{
	struct item a[6];
	struct list head;

	list_init(&head);
	for (int i = 0; i < 6; i++) {
		a[i].n = i;
		list_append(&head, &a[i].node);
	}
	list_for_each_safe (it, tmp, &head)
		if (list_entry(it, struct item, node)->n % 2)
			list_remove(it);
	check(&head, (int[]){ 0, 2, 4 }, 3);
	list_for_each_safe (it, tmp, &head)
		list_remove(it);
	check(&head, NULL, 0);
}
