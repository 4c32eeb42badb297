/*
 * Intrusive doubly linked list. A node that is not on a list points at itself, so
 * list_remove is safe on it and list_linked tells; initialise every node and head once.
 */
#ifndef KILN_LIST_H
#define KILN_LIST_H

#include <stdbool.h>

struct list {
	struct list *next;
	struct list *prev;
};

static inline void list_init(struct list *node)
{
	node->next = node->prev = node;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool list_linked(const struct list *node)
{
	return node->next != node;
}

/* Behind the last node of the list (before `at`). The node must not be on a list. */
static inline void list_append(struct list *at, struct list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

/* Before the first node of the list (behind `at`). The node must not be on a list. */
static inline void list_prepend(struct list *at, struct list *node)
{
	list_append(at->next, node);
}

static inline void list_remove(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* The first node, taken off; NULL when the list is empty. */
static inline struct list *list_pop(struct list *head)
{
	struct list *node = head->next;
	if (node == head)
		return 0;
	list_remove(node);
	return node;
}

/* Moves all nodes of `from` behind those of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_each(node, head) \
	for (struct list *node = (head)->next; node != (head); node = node->next)
#define list_each_safe(node, head)                                        \
	for (struct list *node = (head)->next, *node##_next = node->next; \
	     node != (head); node = node##_next, node##_next = node->next)

#endif
