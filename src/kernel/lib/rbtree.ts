/**
 * lib/rbtree.c: red-black trees. A red node has black children, and all ways from the root down meet equally many black nodes: so no way is more than twice as
 * long as another. Who inserts finds the place himself and links the node there (`rb_link_node`), then the colours are repaired (`rb_insert_color`).
 * Repairs cost a constant on average, also at the ends, where queues work.
 */
import type { rb_node, rb_root } from '../include/linux/rbtree.ts';

/** Hangs `node` below `parent` (null: it is the only one), as its left or right child. */
export function rb_link_node(node: rb_node, parent: rb_node | null, left: boolean, root: rb_root): void {
  node.rbParent = parent;
  node.rb_left = null;
  node.rb_right = null;
  node.rbRed = true;
  if (parent === null) root.rb_node = node;
  else if (left) parent.rb_left = node;
  else parent.rb_right = node;
}

/** `fresh` takes the place of `old` below its parent. */
function replaceChild(old: rb_node, fresh: rb_node | null, root: rb_root): void {
  const parent = old.rbParent;
  if (parent === null) root.rb_node = fresh;
  else if (parent.rb_left === old) parent.rb_left = fresh;
  else parent.rb_right = fresh;
  if (fresh !== null) fresh.rbParent = parent;
}

/** `node` goes down to the left (or right), its other child comes up. */
function rotate(node: rb_node, left: boolean, root: rb_root): void {
  const up = (left ? node.rb_right : node.rb_left)!;
  const moved = left ? up.rb_left : up.rb_right;
  replaceChild(node, up, root);
  if (left) {
    node.rb_right = moved;
    up.rb_left = node;
  } else {
    node.rb_left = moved;
    up.rb_right = node;
  }
  if (moved !== null) moved.rbParent = node;
  node.rbParent = up;
}

/** Repairs the tree after rb_link_node(): a red node may have got a red parent. */
export function rb_insert_color(fresh: rb_node, root: rb_root): void {
  let node = fresh;
  for (let parent = node.rbParent; parent?.rbRed === true; parent = node.rbParent) {
    // The root is black, so a red one has a parent.
    const grandparent: rb_node = parent.rbParent!;
    const onLeft = parent === grandparent.rb_left;
    const uncle = onLeft ? grandparent.rb_right : grandparent.rb_left;
    if (uncle?.rbRed === true) {
      parent.rbRed = uncle.rbRed = false;
      grandparent.rbRed = true;
      node = grandparent;
      continue;
    }
    if (node === (onLeft ? parent.rb_right : parent.rb_left)) {
      rotate(parent, onLeft, root);
      node = parent;
      parent = node.rbParent!;
    }
    parent.rbRed = false;
    grandparent.rbRed = true;
    rotate(grandparent, !onLeft, root);
  }
  root.rb_node!.rbRed = false;
}

export function rb_erase(node: rb_node, root: rb_root): void {
  const { rb_left, rb_right } = node;
  let red = node.rbRed;
  let child: rb_node | null;
  let parent: rb_node | null;
  if (rb_left === null || rb_right === null) {
    child = rb_left ?? rb_right;
    parent = node.rbParent;
    replaceChild(node, child, root);
  } else {
    let successor = rb_right;
    while (successor.rb_left !== null) successor = successor.rb_left;
    red = successor.rbRed;
    child = successor.rb_right;
    parent = successor;
    if (successor !== rb_right) {
      parent = successor.rbParent;
      replaceChild(successor, child, root);
      successor.rb_right = rb_right;
      rb_right.rbParent = successor;
    }
    replaceChild(node, successor, root);
    successor.rb_left = rb_left;
    rb_left.rbParent = successor;
    successor.rbRed = node.rbRed;
  }
  node.rbParent = node.rb_left = node.rb_right = null;
  if (!red) balanceAfterErase(child, parent, root);
}

/** The ways through `child`, below `parent`, have lost a black node. */
function balanceAfterErase(child: rb_node | null, below: rb_node | null, root: rb_root): void {
  let node = child;
  let parent = below;
  while (parent !== null && node?.rbRed !== true) {
    const onLeft = node === parent.rb_left;
    // A way of the same length leads past it: there is a sibling.
    let sibling: rb_node = (onLeft ? parent.rb_right : parent.rb_left)!;
    if (sibling.rbRed) {
      sibling.rbRed = false;
      parent.rbRed = true;
      rotate(parent, onLeft, root);
      sibling = (onLeft ? parent.rb_right : parent.rb_left)!;
    }
    if (sibling.rb_left?.rbRed !== true && sibling.rb_right?.rbRed !== true) {
      sibling.rbRed = true;
      node = parent;
      parent = node.rbParent;
      continue;
    }
    let far = onLeft ? sibling.rb_right : sibling.rb_left;
    if (far?.rbRed !== true) {
      const near: rb_node = (onLeft ? sibling.rb_left : sibling.rb_right)!;
      near.rbRed = false;
      sibling.rbRed = true;
      rotate(sibling, !onLeft, root);
      far = sibling;
      sibling = near;
    }
    sibling.rbRed = parent.rbRed;
    parent.rbRed = far!.rbRed = false;
    rotate(parent, onLeft, root);
    return;
  }
  if (node !== null) node.rbRed = false;
}
