package corpus

import (
	"container/list"
	"sync"

	"goxkd/media"
)

// clipCache keeps the clips used last, within a bound in bytes.
type clipCache struct {
	limit int64
	mu    sync.Mutex
	used  int64
	order *list.List // of cached, most recent first
	byKey map[int]*list.Element
}

type cached struct {
	key  int
	clip *media.Clip
}

func newClipCache(limit int64) *clipCache {
	return &clipCache{limit: limit, order: list.New(), byKey: map[int]*list.Element{}}
}

func (c *clipCache) get(key int) *media.Clip {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(cached).clip
}

func (c *clipCache) put(key int, clip *media.Clip) {
	size := clip.Bytes()
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[key]; ok || size > c.limit {
		return
	}
	c.byKey[key] = c.order.PushFront(cached{key, clip})
	c.used += size
	for c.used > c.limit {
		last := c.order.Back()
		old := last.Value.(cached)
		c.order.Remove(last)
		delete(c.byKey, old.key)
		c.used -= old.clip.Bytes()
	}
}
