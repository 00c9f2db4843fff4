import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;
import org.apache.velocity.app.event.InvalidReferenceEventHandler;
import org.apache.velocity.context.Context;
import org.apache.velocity.util.introspection.Info;

/**
 * Renders templates with stock Velocity; with the argument "gateway", with the
 * event handler that makes undefined references empty. Reads lines "shared BASE64" or
 * "fresh BASE64" (an engine of its own), answers each with "ok BASE64" or
 * "error BASE64" of the message.
 */
public class Differential {
    /** What is undefined or null has the empty string as its value. */
    public static class Empty implements InvalidReferenceEventHandler {
        public Object invalidGetMethod(Context c, String reference, Object object, String property, Info info) {
            return "";
        }

        public boolean invalidSetMethod(Context c, String left, String right, Info info) {
            return false;
        }

        public Object invalidMethod(Context c, String reference, Object object, String method, Info info) {
            return "";
        }
    }

    static VelocityEngine engine(boolean gateway) {
        VelocityEngine e = new VelocityEngine();
        if (gateway) {
            e.setProperty("eventhandler.invalidreferences.class", Empty.class.getName());
        }
        e.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        e.setProperty("velocimacro.library", "");
        e.init();
        return e;
    }

    static VelocityContext context() {
        VelocityContext c = new VelocityContext();
        c.put("s", "hello");
        c.put("empty", "");
        c.put("n", 7);
        c.put("big", 3000000000L);
        c.put("d", 2.5);
        c.put("yes", true);
        c.put("no", false);
        c.put("u", "\u00e4\u20acz\ud83d\ude00");
        c.put("q", "it's a \"q\"");
        c.put("list", new ArrayList<Object>(Arrays.asList("a", "b", "c")));
        c.put("nums", new ArrayList<Object>(Arrays.asList(3, 1, 2)));
        Map<Object, Object> m = new LinkedHashMap<Object, Object>();
        m.put("a", 1);
        m.put("b", "two");
        m.put("c", new ArrayList<Object>(Arrays.asList(1, 2)));
        m.put("none", null);
        c.put("m", m);
        List<Object> rows = new ArrayList<Object>();
        for (int i = 0; i < 3; i++) {
            Map<Object, Object> row = new LinkedHashMap<Object, Object>();
            row.put("id", i);
            row.put("name", "row" + i);
            rows.add(row);
        }
        c.put("rows", rows);
        c.put("holes", new ArrayList<Object>(Arrays.asList("x", null, "y")));
        return c;
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        PrintWriter out = new PrintWriter(new OutputStreamWriter(System.out, StandardCharsets.US_ASCII));
        boolean gateway = args.length > 0 && args[0].equals("gateway");
        VelocityEngine shared = engine(gateway);
        String line;
        while ((line = in.readLine()) != null) {
            String[] parts = line.split(" ", -1);
            String template = new String(Base64.getDecoder().decode(parts[1]), StandardCharsets.UTF_8);
            VelocityEngine e = parts[0].equals("fresh") ? engine(gateway) : shared;
            String status = "ok", text;
            try {
                StringWriter w = new StringWriter();
                if (!e.evaluate(context(), w, "t", template)) {
                    status = "error";
                }
                text = w.toString();
            } catch (Throwable t) {
                status = "error";
                text = t.toString() + " at " + (t.getStackTrace().length > 0 ? t.getStackTrace()[0] : "?");
            }
            out.println(status + " " + Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8)));
            out.flush();
        }
    }
}
