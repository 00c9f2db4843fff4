package vtl_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes random templates. Macros have names of their own in each, for
// Velocity keeps them between templates.
type generator struct {
	*rand.Rand
	id     int
	macros int
	depth  int
	loops  int
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

func (g *generator) template() string {
	if g.IntN(5) == 0 {
		return g.soup()
	}
	return g.block(2 + g.IntN(6))
}

// soup is made of pieces of the syntax in no order.
func (g *generator) soup() string {
	var b strings.Builder
	for range 1 + g.IntN(8) {
		b.WriteString(pick(g, "$", "#", "\\", "!", "{", "}", "[", "]", "(", ")", ".", " ", "\n", "a", "s", "$s", "${s}", "$!s",
			"$!{nope}", "$nope", "##", "#*", "*#", "#[[", "]]#", "#end", "#set($x = 1)", "#if($s)", "#else", "'", "\"", "-", "0", "1..2",
			"#foo", "#foo()", "$m.a", "$m.", "$list[0]", "$list[", "\\$s", "\\\\$s", "\\#if", "\\\\#if($s)", "true", "  ", "\t", "$foreach",
			"#set", "#{set}($y=2)", "#stop", "#break", ":", ",", "=", "é", "€", "\r\n", "#{if}($no)", "#{else}", "#{end}"))
	}
	b.WriteString(pick(g, "", " ", "x"))
	return b.String()
}

func (g *generator) block(n int) string {
	g.depth++
	defer func() { g.depth-- }()
	var b strings.Builder
	for range n {
		b.WriteString(g.piece())
	}
	return b.String()
}

func (g *generator) inner() string {
	if g.depth > 3 {
		return g.text()
	}
	return g.block(1 + g.IntN(3))
}

func (g *generator) piece() string {
	switch g.IntN(22) {
	case 0, 1, 2, 3:
		return g.text()
	case 4, 5, 6, 7:
		return pick(g, "", "", "", "\\", "\\\\", "$", "#", "!") + g.reference()
	case 8, 9, 10:
		return g.gap() + "#set(" + g.space() + g.target() + g.space() + "=" + g.space() + g.expression(2) + g.space() + ")" + g.gap()
	case 11, 12, 13:
		return g.ifDirective()
	case 14, 15:
		return g.foreach()
	case 16:
		return g.macro()
	case 17:
		return pick(g, "## line "+g.word()+"\n", "#* block\n "+g.word()+" *#", "#** formal *#", "#[[ $raw #if ]]#", "#[[]]#")
	case 18:
		return pick(g, `\#if`, `\\#if($s)x#end`, `\#foreach`, `\#nothing`, `\\#nothing`, `\#set`, `\\\#end`, `\#{else}`, "#nothing", "#nothing("+g.expressionArg()+")", "#{nothing}")
	case 19:
		return "#define(" + pick(g, "$block", "${blk}", "$block") + ")" + g.gap() + g.inner() + "#end" + pick(g, "$block", "$!block", "${block}", "$block.toString()", "#if($block)B#end", "\"$block\"", "")
	case 20:
		return pick(g, "#literal()$s #foo() x#end", "#evaluate(\"$s\")", "#evaluate('#set($ev = 3)$ev$s')", "#{set}($z = 5)")
	}
	if g.loops > 0 {
		return pick(g, "$foreach.index", "$foreach.count", "$velocityCount", "$foreach.hasNext", "#if($foreach.last)L#end", "#if($foreach.first)F#{end}",
			"$foreach.parent.index", "$foreach.topmost.count", "#break", "#if($velocityHasNext),#end", "#break($foreach)", "$foreach")
	}
	return g.text()
}

func (g *generator) text() string {
	return pick(g, "text", " ", "\n", "  \n", "\t", "a.b", "{", "}", "(", ")", "[x]", "\"", "'", "5", "-", "<x>", "!", "{\"k\": ", ",\n  ", "é", "\r\n", "$5", "# ", "#1", "$ ", "$$", "C:\\dir", "@", "%")
}

func (g *generator) gap() string {
	return pick(g, "", "", "", " ", "\n", "  \n", "\t", " x", "\n  ", "\r\n")
}
func (g *generator) space() string { return pick(g, "", "", " ", "  ", "\n") }
func (g *generator) word() string  { return pick(g, "s", "n", "list", "m", "nope", "x", "y") }

func (g *generator) target() string {
	return pick(g, "$x", "$y", "$x", "$!y", "${x}", "$m.a", "$m.new", "$list[0]", "$m['k']", "$nope.a", "$s.a")
}

func (g *generator) name() string {
	return pick(g, "s", "s", "n", "d", "big", "yes", "no", "u", "q", "empty", "list", "nums", "m", "rows", "holes", "nope", "x", "y", "e", "p", "i")
}

func (g *generator) steps() string {
	return pick(g, "", "", "", "", ".a", ".b", ".c", ".none", ".nope", ".length()", ".size()", "[0]", "[-1]", ".c[1]", ".toString()", ".isEmpty()",
		".toUpperCase()", ".substring(1)", ".substring(1,3)", ".indexOf('l')", ".contains('b')", ".get(0)", ".get('a')", ".keySet()", ".values()",
		".entrySet()", ".nope()", ".replace('l','L')", ".replaceAll('[aeiou]','<$0>')", ".split('l').size()", ".equals("+g.simple()+")",
		".containsKey('a')", ".containsValue("+g.simple()+")", ".trim()", ".charAt(0)", ".startsWith('h')", ".hashCode()", ".intValue()", ".doubleValue()",
		".a.b.c", ".name", "[1].name", ".get(1).id", ".compareTo('abc')", ".concat(\"-$s\")", ".lastIndexOf('l')", ".put('z',"+g.simple()+")", ".add("+g.simple()+")",
		".remove('a')", ".subList(0,1)", ".iterator().next()", ".equalsIgnoreCase('HELLO')", ".empty", ".matches('h.*')", ".size().toString().length()",
		".addAll([1,2])", ".containsAll(['a'])", ".parseInt('12')", ".longValue()", ".clear()", ".endsWith('o')", ".indexOf('l', 3)", ".toLowerCase()")
}

func (g *generator) reference() string {
	bang := pick(g, "", "", "!")
	if g.IntN(3) == 0 {
		return "$" + bang + "{" + g.name() + g.steps() + "}"
	}
	return "$" + bang + g.name() + g.steps()
}

// simple is what may be an argument.
func (g *generator) simple() string {
	return pick(g, "1", "-2", "'b'", "\"a\"", "\"$s\"", "true", "$s", "$n", "$nope", "$list", "2.5", "[1,2]", "{'a':1}", "\"two\"", "[1..3]", "'hello'", "1.0", "3000000000")
}

func (g *generator) expressionArg() string { return pick(g, "$s", "'x'", "1", "$nope", "\"a $n\"", "") }

func (g *generator) stringLiteral() string {
	return pick(g, "'single $s'", "\"double $s\"", "\"${nope}\"", "\"#if($yes)in#end\"", "\"a\"\"b\"", "'it''s'", "\"$!nope\"", "\"\"", "''", "\"\\u0041\"",
		"\"#set($y = 4)$y\"", "\"$m.b x\"", "\"## c\"", "\"\\$s\"", "\"$list[0]#foreach($i in $nums)$i#end\"", "\"two\nlines\"")
}

func (g *generator) expression(depth int) string {
	if depth == 0 {
		return g.operand()
	}
	switch g.IntN(12) {
	case 0, 1, 2, 3, 4:
		return g.operand()
	case 5, 6:
		return g.expression(depth-1) + " " + pick(g, "+", "-", "*", "/", "%") + " " + g.expression(depth-1)
	case 7, 8:
		return g.expression(depth-1) + pick(g, " == ", " != ", " < ", " > ", " <= ", " >= ", " eq ", " ne ", " lt ", " gt ", " le ", " ge ", "==") + g.expression(depth-1)
	case 9:
		return g.expression(depth-1) + pick(g, " && ", " || ", " and ", " or ") + g.expression(depth-1)
	case 10:
		return pick(g, "!", "! ", "not ") + g.operand()
	}
	return "(" + g.space() + g.expression(depth-1) + g.space() + ")"
}

func (g *generator) operand() string {
	switch g.IntN(10) {
	case 0, 1, 2:
		return g.reference()
	case 3, 4:
		return pick(g, "0", "1", "2", "7", "-3", "2147483647", "-2147483648", "9223372036854775807", "99999999999999999999", "2.5", "1e3", "0.1", ".5", "1.0e-5", "100000000.0", "3000000000", "0.0")
	case 5:
		return g.stringLiteral()
	case 6:
		return pick(g, "true", "false")
	case 7:
		return pick(g, "[", "[ ") + g.simple() + ", " + g.simple() + "]"
	case 8:
		return pick(g, "[1..3]", "[3..1]", "[ $n .. 9 ]", "[-1..1]", "[]", "[$nope..2]")
	}
	return pick(g, "{}", "{ }", "{'k':1}", "{'a':$s, \"b\":[1,2]}", "{$s:$nope}", "{1:2,'1':3}")
}

func (g *generator) ifDirective() string {
	var b strings.Builder
	b.WriteString(pick(g, "#if", "#{if}") + pick(g, "", " ") + "(" + g.expression(2) + ")" + g.gap() + g.inner())
	for range g.IntN(3) {
		b.WriteString(pick(g, "#elseif", "#{elseif}") + "(" + g.expression(1) + ")" + g.gap() + g.inner())
	}
	if g.IntN(2) == 0 {
		b.WriteString(pick(g, "#{else}", "#else ", "#else\n") + g.inner())
	}
	return b.String() + pick(g, "#end", "#{end}", "#end\n", "#end  \n")
}

func (g *generator) foreach() string {
	g.loops++
	defer func() { g.loops-- }()
	if g.loops > 2 {
		return g.text()
	}
	in := pick(g, "$list", "$nums", "$m", "$rows", "$holes", "[1..3]", "$m.keySet()", "$m.entrySet()", "$m.values()", "$nope", "$s", "[]", "['p', 'q']", "$m.c", "$list.iterator()")
	return pick(g, "#foreach", "#{foreach}") + pick(g, "", " ") + "(" + g.space() + pick(g, "$e", "$i", "$x", "${e}") + " in " + in + g.space() + ")" + g.gap() + g.inner() +
		pick(g, "$e", "$i", "$x", "$!e.name", "$e.key=$e.value") + g.inner() + pick(g, "#end", "#{end}", "#end\n")
}

func (g *generator) macro() string {
	if g.depth > 2 {
		return g.text()
	}
	g.macros++
	name := fmt.Sprintf("m%d_%d", g.id, g.macros)
	body := g.gap() + g.inner() + pick(g, "$p", "$!p", "<$p>", "$q2", "#set($p = 9)$p", "$bodyContent", "$!bodyContent", "") + g.inner()
	define := "#macro(" + name + pick(g, "", " $p", " $p $q2", " $p, $q2") + ")" + body + "#end" + g.gap()
	arg := func() string {
		return pick(g, "$s", "1", "'lit'", "\"$n!\"", "$nope", "$m.b", "[1,2]", "true", "$m.nope", "{'a':1}", "$p", "2.5", "[1..2]")
	}
	call := pick(g, "#"+name+"()", "#"+name+"("+arg()+")", "#"+name+"("+arg()+" "+arg()+")", "#"+name+"("+arg()+", "+arg()+")", "#{"+name+"}("+arg()+")",
		"#@"+name+"("+arg()+")body $s#end", "#"+name, "#"+name+"("+arg()+")\n")
	if g.IntN(3) == 0 {
		return call + define
	}
	return define + g.text() + call + g.text()
}
