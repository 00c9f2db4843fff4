package cloudwatch

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	api "github.com/paddock-run/paddock/internal/api/cloudwatch"
	"github.com/paddock-run/paddock/internal/identity"
	"github.com/paddock-run/paddock/internal/metrics"
	"github.com/paddock-run/paddock/internal/store/sqlite"
)

type world struct {
	*Service
	t testing.TB
}

func newWorld(t testing.TB) world {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "logs.db"))
	if err != nil {
		t.Fatal(err)
	}
	series, err := sqlite.NewSeries(db)
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Series: series, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return world{s, t}
}

func as(account, region string) context.Context {
	return identity.With(context.Background(), &identity.Identity{Account: account, Region: region})
}

func ctx() context.Context { return as("111111111111", "us-east-1") }

func dims(pairs ...string) (out []*api.Dimension) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, &api.Dimension{Name: new(pairs[i]), Value: new(pairs[i+1])})
	}
	return out
}

func (w world) put(data ...*api.MetricDatum) error {
	_, err := w.PutMetricData(ctx(), &api.PutMetricDataInput{Namespace: new("App"), MetricData: data})
	return err
}

// sums are a metric's sums by the minute since start.
func (w world) statistics(change func(*api.GetMetricStatisticsInput)) ([]string, error) {
	in := &api.GetMetricStatisticsInput{
		Namespace: new("App"), MetricName: new("m"), StartTime: new(begin), EndTime: new(begin.Add(time.Hour)), Period: new(int32(60)),
		Statistics: []api.Statistic{api.StatisticSum, api.StatisticSampleCount, api.StatisticAverage, api.StatisticMinimum, api.StatisticMaximum},
	}
	if change != nil {
		change(in)
	}
	out, err := w.GetMetricStatistics(ctx(), in)
	if err != nil {
		return nil, err
	}
	var got []string
	for _, d := range out.Datapoints {
		got = append(got, fmt.Sprintf("%g:%g/%g=%g %g..%g %s", d.Timestamp.Sub(begin).Minutes(), *d.Sum, *d.SampleCount, *d.Average, *d.Minimum, *d.Maximum, *d.Unit))
	}
	return got, nil
}

// begin is an hour ago or more, and of an even hour.
var begin = time.Now().Add(-2 * time.Hour).Truncate(time.Hour)

func wantErr(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPutAndGetStatistics(t *testing.T) {
	w := newWorld(t)
	at := func(minutes float64) *time.Time { return new(begin.Add(time.Duration(minutes * float64(time.Minute)))) }
	err := w.put(
		&api.MetricDatum{MetricName: new("m"), Timestamp: at(1.5), Value: new(4.0), Unit: new(api.StandardUnitCount)},
		&api.MetricDatum{MetricName: new("m"), Timestamp: at(1), Values: []float64{1, 2}, Counts: []float64{1, 3}, Unit: new(api.StandardUnitCount)},
		&api.MetricDatum{MetricName: new("m"), Timestamp: at(7), StatisticValues: &api.StatisticSet{SampleCount: new(2.0), Sum: new(10.0), Minimum: new(4.0), Maximum: new(6.0)}, Unit: new(api.StandardUnitCount)},
		&api.MetricDatum{MetricName: new("m"), Timestamp: at(7), Values: []float64{-1, 1}},
		&api.MetricDatum{MetricName: new("m"), Timestamp: at(7), Value: new(100.0), Dimensions: dims("b", "2", "a", "1")},
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*api.GetMetricStatisticsInput)
		want   []string
	}{
		"all units":  {nil, []string{"1:11/5=2.2 1..4 Count", "7:10/2=5 4..6 Count", "7:0/2=0 -1..1 None"}},
		"one unit":   {func(in *api.GetMetricStatisticsInput) { in.Unit = new(api.StandardUnitNone) }, []string{"7:0/2=0 -1..1 None"}},
		"other unit": {func(in *api.GetMetricStatisticsInput) { in.Unit = new(api.StandardUnitBytes) }, nil},
		"period": {func(in *api.GetMetricStatisticsInput) {
			in.Period, in.Unit = new(int32(600)), new(api.StandardUnitCount)
		}, []string{"0:21/7=3 1..6 Count"}},
		"from start":  {func(in *api.GetMetricStatisticsInput) { in.StartTime, in.Period = at(2.2), new(int32(300)) }, []string{"7:10/2=5 4..6 Count", "7:0/2=0 -1..1 None"}},
		"the end":     {func(in *api.GetMetricStatisticsInput) { in.EndTime = at(7) }, []string{"1:11/5=2.2 1..4 Count"}},
		"dimensions":  {func(in *api.GetMetricStatisticsInput) { in.Dimensions = dims("a", "1", "b", "2") }, []string{"7:100/1=100 100..100 None"}},
		"not all":     {func(in *api.GetMetricStatisticsInput) { in.Dimensions = dims("a", "1") }, nil},
		"other space": {func(in *api.GetMetricStatisticsInput) { in.Namespace = new("Ap") }, nil},
	} {
		got, err := w.statistics(c.change)
		if err != nil || strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
	// Others do not see it.
	out, err := w.GetMetricStatistics(as("222222222222", "us-east-1"), &api.GetMetricStatisticsInput{Namespace: new("App"), MetricName: new("m"),
		StartTime: new(begin), EndTime: at(60), Period: new(int32(60)), Statistics: []api.Statistic{api.StatisticSum}})
	if err != nil || len(out.Datapoints) != 0 {
		t.Errorf("%v, %v", out, err)
	}
}

func TestPutRefuses(t *testing.T) {
	w := newWorld(t)
	datum := func(change func(*api.MetricDatum)) *api.MetricDatum {
		d := &api.MetricDatum{MetricName: new("m"), Timestamp: new(begin), Value: new(1.0)}
		change(d)
		return d
	}
	for want, d := range map[string]*api.MetricDatum{
		"Value and MetricData.member.2.StatisticValues are mutually exclusive": datum(func(d *api.MetricDatum) { d.StatisticValues = &api.StatisticSet{} }),
		"Value and MetricData.member.2.Values are mutually exclusive":          datum(func(d *api.MetricDatum) { d.Values = []float64{1} }),
		"The parameter MetricData.member.2.Value is required.":                 datum(func(d *api.MetricDatum) { d.Value = nil }),
		"must be of the same size":                                             datum(func(d *api.MetricDatum) { d.Value, d.Values, d.Counts = nil, []float64{1}, []float64{1, 2} }),
		"The value NaN for parameter MetricData.member.2.Value is invalid.":    datum(func(d *api.MetricDatum) { d.Value = new(math.NaN()) }),
		"The value +Inf for parameter":                                         datum(func(d *api.MetricDatum) { d.Value = new(math.Inf(1)) }),
		"within the past two weeks":                                            datum(func(d *api.MetricDatum) { d.Timestamp = new(begin.Add(-15 * 24 * time.Hour)) }),
		"two hours in the future":                                              datum(func(d *api.MetricDatum) { d.Timestamp = new(time.Now().Add(3 * time.Hour)) }),
		"control character":                                                    datum(func(d *api.MetricDatum) { d.MetricName = new("a\x1fb") }),
		"must not be blank":                                                    datum(func(d *api.MetricDatum) { d.Dimensions = dims("a", " ") }),
		"No dimension may be specified more than once":                         datum(func(d *api.MetricDatum) { d.Dimensions = dims("a", "1", "a", "2") }),
		"StorageResolution is invalid":                                         datum(func(d *api.MetricDatum) { d.StorageResolution = new(int32(30)) }),
	} {
		wantErr(t, w.put(datum(func(*api.MetricDatum) {}), d), want)
	}
	wantErr(t, w.put(), "The parameter MetricData is required.")
	_, err := w.PutMetricData(ctx(), &api.PutMetricDataInput{Namespace: new("AWS/Lambda"), MetricData: []*api.MetricDatum{datum(func(*api.MetricDatum) {})}})
	wantErr(t, err, "The value AWS/ for parameter Namespace is invalid.")
	if got, err := w.statistics(nil); err != nil || got != nil {
		t.Errorf("what was refused is there: %q, %v", got, err)
	}
	for want, change := range map[string]func(*api.GetMetricStatisticsInput){
		"does not support ExtendedStatistics": func(in *api.GetMetricStatisticsInput) { in.ExtendedStatistics = []string{"p99"} },
		"At least one of the parameters":      func(in *api.GetMetricStatisticsInput) { in.Statistics = nil },
		"must be a multiple of 60":            func(in *api.GetMetricStatisticsInput) { in.Period = new(int32(90)) },
		"periods of less than a minute":       func(in *api.GetMetricStatisticsInput) { in.Period = new(int32(10)) },
		"StartTime must be less":              func(in *api.GetMetricStatisticsInput) { in.EndTime = in.StartTime },
		"up to 1441 datapoints":               func(in *api.GetMetricStatisticsInput) { in.EndTime = new(begin.Add(1441 * time.Minute)) },
	} {
		_, err := w.statistics(change)
		wantErr(t, err, want)
	}
}

func TestGetMetricData(t *testing.T) {
	w := newWorld(t)
	for n := range 10 {
		if err := w.put(&api.MetricDatum{MetricName: new("m"), Timestamp: new(begin.Add(time.Duration(n) * time.Minute)), Value: new(float64(n))},
			&api.MetricDatum{MetricName: new("m"), Timestamp: new(begin.Add(time.Duration(n) * time.Minute)), Value: new(1.0), Unit: new(api.StandardUnitBytes)}); err != nil {
			t.Fatal(err)
		}
	}
	query := func(id, stat string, period int32) *api.MetricDataQuery {
		return &api.MetricDataQuery{Id: new(id), MetricStat: &api.MetricStat{Metric: &api.Metric{Namespace: new("App"), MetricName: new("m")}, Period: new(period), Stat: new(stat)}}
	}
	get := func(change func(*api.GetMetricDataInput), queries ...*api.MetricDataQuery) (got []string, next *string, err error) {
		in := &api.GetMetricDataInput{StartTime: new(begin.Add(2 * time.Minute)), EndTime: new(begin.Add(time.Hour)), MetricDataQueries: queries, ScanBy: new(api.ScanByTimestampAscending)}
		if change != nil {
			change(in)
		}
		out, err := w.GetMetricData(ctx(), in)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range out.MetricDataResults {
			text := *r.Id + " " + string(*r.StatusCode)
			for i, at := range r.Timestamps {
				text += fmt.Sprintf(" %g:%g", at.Sub(begin).Minutes(), r.Values[i])
			}
			got = append(got, text)
		}
		return got, out.NextToken, nil
	}
	got, _, err := get(nil, query("a", "Sum", 300), query("b", "SampleCount", 3600))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, "a Complete 0:15 5:40", "b Complete 0:20")
	bytes := query("a", "Maximum", 300)
	bytes.MetricStat.Unit = new(api.StandardUnitBytes)
	hidden := query("c", "Sum", 60)
	hidden.ReturnData = new(false)
	got, _, err = get(func(in *api.GetMetricDataInput) { in.ScanBy = nil }, bytes, hidden)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, "a Complete 5:1 0:1")
	// By pages.
	var pages []string
	for next := (*string)(nil); ; {
		got, token, err := get(func(in *api.GetMetricDataInput) { in.MaxDatapoints, in.NextToken = new(int32(2)), next }, query("a", "Sum", 300), query("b", "Average", 300))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, strings.Join(got, "+"))
		if next = token; next == nil {
			break
		}
	}
	equal(t, pages, "a Complete 0:15 5:40+b PartialData", "a Complete+b Complete 0:1.5 5:4")
	math := &api.MetricDataQuery{Id: new("e"), Expression: new("a * 2")}
	for want, queries := range map[string][]*api.MetricDataQuery{
		"does not support metric math":            {query("a", "Sum", 60), math},
		"does not support the statistic p99":      {query("a", "p99", 60)},
		"are not unique":                          {query("a", "Sum", 60), query("a", "Sum", 60)},
		"not matching the expected pattern":       {query("A", "Sum", 60)},
		"must be a multiple of 60":                {query("a", "Sum", 61)},
		"At least one of MetricDataQueries must":  {hidden},
		"must have 1 to 500 members":              {},
		"MetricDataQueries.member.1.Expression o": {{Id: new("a")}},
	} {
		_, _, err := get(nil, queries...)
		wantErr(t, err, want)
	}
	_, _, err = get(func(in *api.GetMetricDataInput) { in.NextToken = new("x") }, query("a", "Sum", 60))
	wantErr(t, err, "InvalidNextToken")
}

func TestListMetrics(t *testing.T) {
	w := newWorld(t)
	old := time.Now().Add(-10 * time.Hour)
	if err := w.put(
		&api.MetricDatum{MetricName: new("m"), Value: new(1.0), Dimensions: dims("f", "1")},
		&api.MetricDatum{MetricName: new("m"), Value: new(1.0), Dimensions: dims("f", "1"), Unit: new(api.StandardUnitBytes)},
		&api.MetricDatum{MetricName: new("m"), Value: new(1.0)},
		&api.MetricDatum{MetricName: new("n"), Value: new(1.0), Dimensions: dims("g", "3", "f", "2"), Timestamp: &old},
	); err != nil {
		t.Fatal(err)
	}
	w.Series(metrics.ID{Account: "111111111111", Region: "us-east-1", Namespace: "AWS/X", Name: "m", Unit: "Count"}).Add(1)
	list := func(in *api.ListMetricsInput) (got []string) {
		t.Helper()
		out, err := w.ListMetrics(ctx(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Metrics {
			text := *m.Namespace + " " + *m.MetricName
			for _, d := range m.Dimensions {
				text += " " + *d.Name + "=" + *d.Value
			}
			got = append(got, text)
		}
		return got
	}
	equal(t, list(&api.ListMetricsInput{}), "AWS/X m", "App m", "App m f=1", "App n f=2 g=3")
	equal(t, list(&api.ListMetricsInput{MetricName: new("m")}), "AWS/X m", "App m", "App m f=1")
	equal(t, list(&api.ListMetricsInput{Namespace: new("App"), Dimensions: []*api.DimensionFilter{{Name: new("f")}}}), "App m f=1", "App n f=2 g=3")
	equal(t, list(&api.ListMetricsInput{Dimensions: []*api.DimensionFilter{{Name: new("f"), Value: new("2")}}}), "App n f=2 g=3")
	equal(t, list(&api.ListMetricsInput{Namespace: new("App"), RecentlyActive: new(api.RecentlyActivePt3h)}), "App m", "App m f=1")
	// More than a page.
	var data []*api.MetricDatum
	for n := range 900 {
		data = append(data, &api.MetricDatum{MetricName: new(fmt.Sprintf("many%03d", n)), Value: new(1.0)})
	}
	if err := w.put(data...); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	pages := 0
	for next := (*string)(nil); ; pages++ {
		out, err := w.ListMetrics(ctx(), &api.ListMetricsInput{Namespace: new("App"), NextToken: next})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Metrics {
			key := fmt.Sprint(*m.MetricName, len(m.Dimensions))
			if seen[key] {
				t.Error(key, "twice")
			}
			seen[key] = true
		}
		if next = out.NextToken; next == nil {
			break
		}
	}
	if len(seen) != 903 || pages != 1 {
		t.Errorf("%d metrics on %d pages", len(seen), pages+1)
	}
	_, err := w.ListMetrics(ctx(), &api.ListMetricsInput{NextToken: new("%")})
	wantErr(t, err, "NextToken is invalid")
}

// What is recorded is read at once, counted by the minute it was recorded in, and
// survives.
func TestRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		start := time.Now().Truncate(time.Minute)
		id := metrics.ID{Account: "111111111111", Region: "us-east-1", Namespace: "App", Name: "m", Unit: "Count", Dimensions: []metrics.Dimension{{Name: "b", Value: "2"}, {Name: "a", Value: "1"}}}
		same := id
		same.Dimensions = []metrics.Dimension{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}
		a, b := w.Series(id), w.Series(same)
		if a != b {
			t.Error("the order of dimensions makes another series")
		}
		sums := func() []string {
			t.Helper()
			out, err := w.GetMetricStatistics(ctx(), &api.GetMetricStatisticsInput{Namespace: new("App"), MetricName: new("m"), Dimensions: dims("a", "1", "b", "2"),
				StartTime: &start, EndTime: new(start.Add(time.Hour)), Period: new(int32(60)), Statistics: []api.Statistic{api.StatisticSum}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range out.Datapoints {
				got = append(got, fmt.Sprintf("%g:%g", d.Timestamp.Sub(start).Minutes(), *d.Sum))
			}
			return got
		}
		a.Add(1)
		b.Add(2)
		equal(t, sums(), "0:3")
		time.Sleep(61 * time.Second)
		a.Add(5)
		time.Sleep(61 * time.Second)
		a.Add(7)
		a.Add(-1)
		equal(t, sums(), "0:3", "1:5", "2:6")
		equal(t, sums(), "0:3", "1:5", "2:6")
	})
}

func TestRecorderLosesNothing(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s := w.Series(metrics.ID{Account: "111111111111", Region: "us-east-1", Namespace: "App", Name: "m"})
			for range 5000 {
				s.Add(1)
			}
		})
	}
	for range 5 {
		if err := w.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	out, err := w.GetMetricStatistics(ctx(), &api.GetMetricStatisticsInput{Namespace: new("App"), MetricName: new("m"),
		StartTime: new(time.Now().Add(-time.Hour)), EndTime: new(time.Now().Add(time.Hour)), Period: new(int32(86400)), Statistics: []api.Statistic{api.StatisticSum}})
	if err != nil || len(out.Datapoints) != 1 || *out.Datapoints[0].Sum != 40_000 {
		t.Errorf("%+v, %v", out, err)
	}
}

func BenchmarkAdd(b *testing.B) {
	w := newWorld(b)
	s := w.Series(metrics.ID{Account: "1", Region: "r", Namespace: "App", Name: "m"})
	b.ReportAllocs()
	for b.Loop() {
		s.Add(1)
	}
}
