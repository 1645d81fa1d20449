/** include/linux/rbtree.h: what is kept in a red-black tree carries the links itself. The algorithm is in lib/rbtree.ts. */
export interface rb_node {
  rbParent: rb_node | null;
  rb_left: rb_node | null;
  rb_right: rb_node | null;
  rbRed: boolean;
}

export interface rb_root {
  rb_node: rb_node | null;
}
