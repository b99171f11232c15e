import { visibleText } from '@strongroom/contract'

/** One line on standard error: progress, notices, errors. Others' text in it stays on it. */
export const say = (line: string): void => void process.stderr.write(`${visibleText(line, '\t')}\n`)

/** On standard output, what `render` and others have made visible. */
export const print = (shown: string): void => void process.stdout.write(shown)

/** Text that is the whole purpose of a command, and signed: whole for a pipe or a file, visible on a terminal. */
export const printContent = (text: string): void => print(process.stdout.isTTY ? visibleText(text, '\n\t') : text)
