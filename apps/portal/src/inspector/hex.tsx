import { useState } from 'preact/hooks'
import type { Place } from './place.ts'

const width = 16
/** Lines shown at first, and added with each step. */
const step = 128

const digits = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
const letters = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('')

/** Bytes as hexadecimal, sixteen per line, with a marked range. */
export function Hex({ bytes, mark }: { bytes: Uint8Array; mark: Place | undefined }) {
  const [shown, setShown] = useState(step)
  const [open, setOpen] = useState(false)
  const lines = Math.ceil(bytes.length / width)
  const most = Math.max(shown, mark === undefined ? 0 : Math.ceil(mark.to / width))
  return (
    <details class="raw" open={open || mark !== undefined} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {bytes.length} bytes{mark !== undefined && `, marked: ${mark.from} to ${mark.to - 1}`}
      </summary>
      {(open || mark !== undefined) && (
        <pre class="hex" tabIndex={0} dir="ltr" aria-label="Bytes in hexadecimal">
          {Array.from({ length: Math.min(lines, most) }, (_, line) => (
            <Line key={line} bytes={bytes} at={line * width} mark={mark} />
          ))}
        </pre>
      )}
      {open && most < lines && (
        <button type="button" onClick={() => setShown(most + step)}>
          More ({lines - most} lines)
        </button>
      )}
    </details>
  )
}

function Line({ bytes, at, mark }: { bytes: Uint8Array; at: number; mark: Place | undefined }) {
  const end = Math.min(bytes.length, at + width)
  const inside = (place: number): number => Math.min(end, Math.max(at, place))
  const [from, to] = mark === undefined ? [end, end] : [inside(mark.from), inside(mark.to)]
  const [before, marked, after] = [bytes.subarray(at, from), bytes.subarray(from, to), bytes.subarray(to, end)]
  return (
    <>
      <span class="offset">{at.toString(16).padStart(6, '0')} </span>
      {digits(before)}
      {before.length > 0 && marked.length > 0 ? ' ' : ''}
      {marked.length > 0 && <mark>{digits(marked)}</mark>}
      {before.length + marked.length > 0 && after.length > 0 ? ' ' : ''}
      {digits(after)}
      {' '.repeat(3 * (width - (end - at)) + 2)}
      {letters(bytes.subarray(at, end))}
      {'\n'}
    </>
  )
}
