import { visibleText } from '@strongroom/contract'

/** Milliseconds until anyone wonders. */
const patienceMs = 500
const clear = '\r\u001b[2K'

/**
 * Work that takes seconds, shown on a terminal with what is done now and for how long; elsewhere, nothing is written.
 * @param o.terminal standard error, if it is one
 * @param o.work gets what changes the text, and a `say` that leaves no rest of it on the line
 */
export async function whileBusy<T>(o: {
  say: (line: string) => void
  terminal: { write(text: string): unknown } | undefined
  work: (now: (doing: string) => void, say: (line: string) => void) => Promise<T>
}): Promise<T> {
  const { terminal } = o
  if (terminal === undefined) return await o.work(() => undefined, o.say)
  const begun = performance.now()
  let doing = ''
  let isShown = false
  const hide = (): void => {
    if (isShown) terminal.write(clear)
    isShown = false
  }
  const show = (): void => {
    if (performance.now() - begun < patienceMs) return
    const seconds = Math.floor((performance.now() - begun) / 1000)
    terminal.write(`${clear}${visibleText(`… ${doing}, ${seconds} s`)}`)
    isShown = true
  }
  const timer = setInterval(show, patienceMs)
  try {
    return await o.work(
      (next) => {
        doing = next
        show()
      },
      (line) => {
        hide()
        o.say(line)
      },
    )
  } finally {
    clearInterval(timer)
    hide()
  }
}
