import { useEffect, useRef, useState } from 'preact/hooks'
import type { RefObject } from 'preact'

export interface Window {
  from: number
  to: number
  /** Height above the visible rows, and of all, in pixels. */
  above: number
  height: number
}

/** Extra rows beyond the edges, so that none is missing while scrolling. */
const beyond = 12

/**
 * Visible rows of a long list. The page itself scrolls: Find, Home and End work, and phones can hide their bars.
 * @param rowHeight of every row, pixels
 */
export function useWindow(count: number, rowHeight: number): [Window, RefObject<HTMLDivElement | null>] {
  const body = useRef<HTMLDivElement>(null)
  const [edge, setEdge] = useState({ from: 0, to: 60 })
  useEffect(() => {
    let planned = false
    const measure = (): void => {
      planned = false
      const top = body.current?.getBoundingClientRect().top ?? 0
      const first = Math.max(0, Math.floor(-top / rowHeight) - beyond)
      const last = Math.ceil((innerHeight - top) / rowHeight) + beyond
      setEdge((now) => (now.from === first && now.to === last ? now : { from: first, to: last }))
    }
    const plan = (): void => {
      if (planned) return
      planned = true
      requestAnimationFrame(measure)
    }
    measure()
    addEventListener('scroll', plan, { passive: true })
    addEventListener('resize', plan)
    return () => {
      removeEventListener('scroll', plan)
      removeEventListener('resize', plan)
    }
  }, [rowHeight, count])
  const from = Math.min(edge.from, Math.max(0, count - 1))
  return [{ from, to: Math.min(count, edge.to), above: from * rowHeight, height: count * rowHeight }, body]
}
